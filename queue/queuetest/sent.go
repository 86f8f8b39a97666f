package queuetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue"
)

// A Sent is a packet that was sent to the kernel with Kernel.Send. It reports what
// happens to the packet. The zero Sent is not usable. Its methods may be called from
// any goroutine, any number of times.
//
// A Sent reports the view of the kernel, which may be slightly ahead of
// Queue.Stats: the queue counts a verdict only after it has sent it. In a
// testing/synctest bubble, synctest.Wait waits for that.
type Sent struct {
	k       *Kernel
	name    string
	from    string // file and line of the call of Send
	packet  Packet // as it was sent
	journey *kerneltest.Journey
}

// An Outcome describes what has happened to a packet so far.
type Outcome struct {
	// Fate is what happened to the packet.
	Fate Fate
	// Packet is the packet in its current state; if it has passed, as it
	// left. Verdicts can change its Payload, Mark, Priority and Conntrack.
	Packet Packet
	// Replaced reports whether a verdict replaced the payload.
	Replaced bool
	// Verdicts contains the actions of the verdicts on the packet, in order.
	// There is usually one, and one more each time Repeat or Requeue queued
	// the packet again.
	Verdicts []queue.Action
	// Requeued contains the numbers of the queues to which Requeue moved the
	// packet, in order. With ip_queue they are 0.
	Requeued []uint16
	// Segments contains the segments of the packet if its Fate is Segmented.
	Segments []*Sent
}

// String returns the name of the packet in failure messages.
func (s *Sent) String() string { return s.name + " (" + s.packet.String() + ")" }

// Wait waits until the fate of the packet is decided, and returns the Outcome. If
// that takes longer than Options.Timeout, Wait fails the test and returns an
// Outcome with the Fate Pending.
func (s *Sent) Wait() Outcome {
	s.k.t.Helper()
	o := s.await(func(o Outcome) bool { return o.Fate != Pending })
	if o.Fate == Pending {
		s.k.judge(s.journey)
		s.k.t.Errorf("%v still waits for a verdict after %v", s, s.k.opts.Timeout)
	}
	return o
}

// Outcome returns what has happened to the packet so far. It does not wait.
func (s *Sent) Outcome() Outcome { return s.outcome(s.journey.Result()) }

// await waits until enough returns true for the outcome, at most
// Options.Timeout.
func (s *Sent) await(enough func(Outcome) bool) Outcome {
	timeout := time.NewTimer(s.k.opts.Timeout)
	defer timeout.Stop()
	for {
		r, next := s.journey.Watch()
		if o := s.outcome(r); enough(o) {
			return o
		}
		select {
		case <-next:
		case <-timeout.C:
			return s.Outcome()
		}
	}
}

// journeys returns the journeys of the packet and of its segments.
func (s *Sent) journeys() []*kerneltest.Journey {
	return append(s.journey.Result().Segments, s.journey)
}

func (s *Sent) outcome(r kerneltest.Result) Outcome {
	o := Outcome{Fate: Fate(r.Fate), Packet: s.packet.clone(), Replaced: r.Replaced}
	o.Packet.Payload, o.Packet.Mark, o.Packet.Priority = r.Packet.Payload, r.Packet.Mark, r.Packet.Priority
	if c := r.Packet.Conntrack; c != nil {
		update(o.Packet.Conntrack, c)
	}
	for _, v := range r.Verdicts {
		a := actions[v.Word&0xff]
		o.Verdicts = append(o.Verdicts, a)
		if a == queue.Requeue {
			o.Requeued = append(o.Requeued, uint16(v.Word>>16))
		}
	}
	for i, j := range r.Segments {
		o.Segments = append(o.Segments, s.segment(i, j))
	}
	return o
}

// actions maps the kernel's numbers of verdicts, NF_DROP to NF_STOP
// (include/uapi/linux/netfilter.h), to actions.
var actions = map[uint32]queue.Action{
	0: queue.Drop, 1: queue.Accept, 3: queue.Requeue, 4: queue.Repeat, 5: queue.Stop,
}

func (s *Sent) segment(i int, j *kerneltest.Journey) *Sent {
	p := s.packet.clone()
	p.GSO, p.Payload = 0, j.Result().Packet.Payload
	return &Sent{k: s.k, name: fmt.Sprintf("segment %d of %s", i+1, s.name), from: s.from, packet: p, journey: j}
}

func (o *Outcome) has(a queue.Action) bool { return slices.Contains(o.Verdicts, a) }

// sentence returns the predicate of a message whose subject is the packet.
func (s *Sent) sentence(o *Outcome) string {
	text := sentences[o.Fate]
	switch {
	case o.Fate == Unheard:
		text += s.unopened(o)
	case o.Fate.Passes() && o.Replaced:
		text += " and replaced"
	}
	if n := len(o.Requeued); n > 0 {
		text = fmt.Sprintf("was requeued to queue %d and %s", o.Requeued[n-1], text)
	}
	return text
}

// unopened returns the queue that no program had opened, and the queues that are
// open.
func (s *Sent) unopened(o *Outcome) string {
	if s.k.opts.Backend == queue.IPQueue {
		return "the queue"
	}
	number := s.packet.Number
	if n := len(o.Requeued); n > 0 {
		number = o.Requeued[n-1]
	}
	opened := "none"
	if list := s.k.kernel.Bound(); len(list) > 0 {
		opened = strings.Trim(fmt.Sprint(list), "[]")
	}
	return fmt.Sprintf("queue %d (opened: %s)", number, opened)
}
