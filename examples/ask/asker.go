package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ipqueue/ipqueue/queue"
)

// The limits of an asker. Packets beyond them get the default verdict.
const (
	mostQuestions = 64
	mostHeld      = 16   // packets of a question
	mostRecent    = 1024 // connections that were answered once
)

// An asker holds packets until their destination has an answer.
type asker struct {
	wait     time.Duration // the queue then gives a packet the default
	standard queue.Action  // the default
	say      func(format string, args ...any)

	always    map[queue.Flow]queue.Action // by destination
	once      *recent
	questions []*question // without an answer, oldest first
	shown     bool        // the first of them is
	closed    bool        // the input has ended: there are no more answers
	excess    int         // packets beyond the limits that were not reported yet
	defaulted uint64      // packets that the asker itself has given the default
}

// A question is about one destination.
type question struct {
	destination queue.Flow
	text        string
	held        []held // oldest first
	expired     int    // packets that got no answer in time
}

// A held packet waits for the answer.
type held struct {
	packet     queue.Packet
	connection connection
	since      time.Time
}

func newAsker(wait time.Duration, standard queue.Action, say func(format string, args ...any)) *asker {
	return &asker{
		wait: wait, standard: standard, say: say,
		always: make(map[queue.Flow]queue.Action), once: newRecent(mostRecent),
	}
}

// take decides the packet or holds it.
func (a *asker) take(p queue.Packet, now time.Time) {
	c := connectionOf(p)
	if action, ok := a.known(c); ok {
		a.decide(p, action)
	} else if a.closed {
		a.giveDefault(p)
	} else if q := a.question(p, c.destination()); q == nil || len(q.held) == mostHeld {
		a.excess++
		a.giveDefault(p)
	} else {
		q.held = append(q.held, held{p, c, now})
	}
}

// known returns the verdict for a packet that needs no question.
func (a *asker) known(c connection) (action queue.Action, ok bool) {
	if action, ok = a.always[c.destination()]; ok {
		return action, true
	}
	action, ok = a.once.actions[c]
	return action, ok
}

// giveDefault decides a packet that gets no answer.
func (a *asker) giveDefault(p queue.Packet) {
	if a.decide(p, a.standard) {
		a.defaulted++
	}
}

// question returns the question about the packet's destination, or nil if there
// are too many questions.
func (a *asker) question(p queue.Packet, destination queue.Flow) *question {
	for _, q := range a.questions {
		if q.destination == destination {
			return q
		}
	}
	if len(a.questions) == mostQuestions {
		return nil
	}
	q := &question{destination: destination, text: ask(p, destination)}
	a.questions = append(a.questions, q)
	return q
}

// ask shows the sender as a number, because looking up a name may need the network.
func ask(p queue.Packet, destination queue.Flow) string {
	sender := "unknown"
	if uid, ok := p.UID(); ok {
		sender = fmt.Sprint(uid)
	}
	return fmt.Sprintf("%v, uid %s\nconnect to %v: yes, always, no or block?", p, sender, destination.Destination)
}

// next returns the question to show, or "" if there is none or one is shown
// already.
func (a *asker) next(now time.Time) string {
	if a.shown {
		return ""
	}
	a.expire(now)
	if len(a.questions) == 0 {
		return ""
	}
	return a.questions[0].text
}

// answer applies an answer to the question that is shown: to its held packets and,
// unless it is for always, to their retransmissions.
func (a *asker) answer(given answer) {
	q := a.questions[0]
	a.questions, a.shown = slices.Delete(a.questions, 0, 1), false
	if given.always {
		a.always[q.destination] = given.action
	}
	inTime := 0
	for _, h := range q.held {
		if a.decide(h.packet, given.action) {
			inTime++
		}
		if !given.always {
			a.once.remember(h.connection, given.action)
		}
	}
	if inTime > 0 || given.always {
		a.tell(done(given.action), q, given.scope(), inTime)
	}
	if late := q.expired + len(q.held) - inTime; late > 0 {
		a.tell("too late", q, fmt.Sprintf("%s after %v", done(a.standard), a.wait), late)
	}
}

// tell prints what happened to some packets of a question.
func (a *asker) tell(what string, q *question, why string, packets int) {
	a.say("%-8s  %-22v  %s  packets: %d", what, q.destination.Destination, why, packets)
}

// decide reports whether the verdict came in time.
func (a *asker) decide(p queue.Packet, action queue.Action) bool {
	err := p.Decide(queue.Verdict{Action: action})
	if err != nil && !errors.Is(err, queue.ErrDecided) {
		a.say("%v", err)
	}
	return err == nil
}

// expire reports the packets that the queue has given the default. It removes
// questions that were not shown and have no packets any more.
func (a *asker) expire(now time.Time) {
	for _, q := range a.questions {
		expired := 0
		for expired < len(q.held) && now.Sub(q.held[expired].since) >= a.wait {
			expired++
		}
		if expired > 0 {
			q.held = slices.Delete(q.held, 0, expired)
			q.expired += expired
			a.tell(done(a.standard), q, fmt.Sprintf("no answer in %v", a.wait), expired)
		}
	}
	a.questions = slices.DeleteFunc(a.questions, func(q *question) bool {
		return len(q.held) == 0 && !a.isShown(q)
	})
	if a.excess > 0 {
		a.say("%-8s  too many packets wait  packets: %d", done(a.standard), a.excess)
		a.excess = 0
	}
}

func (a *asker) isShown(q *question) bool { return a.shown && q == a.questions[0] }

// end gives the default to all packets from now on.
func (a *asker) end() {
	a.closed = true
	for _, q := range a.questions {
		for _, h := range q.held {
			a.giveDefault(h.packet)
		}
		if len(q.held) > 0 {
			a.tell(done(a.standard), q, "end of input", len(q.held))
		}
	}
	a.questions, a.shown = nil, false
	a.say("end of input: connections without an answer are %s from now on", done(a.standard))
}
