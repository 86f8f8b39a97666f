package queuetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue"
)

// A Sent is a packet that was sent, and tells what becomes of it. Its methods
// may be called from any goroutine, any number of times.
//
// They tell what the kernel knows, which may be a moment before the program
// does: Queue.Stats counts a verdict when it has been sent. In a bubble
// synctest.Wait waits for that.
type Sent struct {
	k       *Kernel
	name    string
	from    string // where it was sent
	packet  Packet // as it was sent
	journey *kerneltest.Journey
}

// An Outcome is what is known of a packet at some moment.
type Outcome struct {
	// Fate is what became of it.
	Fate Fate
	// Packet is the packet as it is now: once its Fate passes, as it left.
	// Verdicts change its Payload, Mark, Priority and Conntrack.
	Packet Packet
	// Replaced tells that a verdict has replaced the payload.
	Replaced bool
	// Verdicts are the actions of the verdicts it got, in order: one is usual,
	// and one more for each Repeat and Requeue that queued it again.
	Verdicts []queue.Action
	// Requeued are the numbers of the queues that Requeue moved it to, in
	// order. With ip_queue they are 0.
	Requeued []uint16
	// Segments are what it was cut into, if its Fate is Segmented.
	Segments []*Sent
}

// String names the packet as failure messages do.
func (s *Sent) String() string { return s.name + " (" + s.packet.String() + ")" }

// Wait waits until the fate of the packet is decided, and returns it with all
// that is known. If that takes longer than Options.Timeout it fails the test,
// and the Fate it returns is Pending.
func (s *Sent) Wait() Outcome {
	s.k.t.Helper()
	o := s.await(func(o Outcome) bool { return o.Fate != Pending })
	if o.Fate == Pending {
		s.k.judge(s.journey)
		s.k.t.Errorf("%v still waits for a verdict after %v", s, s.k.opts.Timeout)
	}
	return o
}

// Outcome returns what is known of the packet now. It does not wait.
func (s *Sent) Outcome() Outcome { return s.outcome(s.journey.Result()) }

// await waits until what is known is enough, or time is up.
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

// journeys are those of the packet and of its segments.
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

// actions are the verdicts by their numbers, NF_DROP to NF_STOP
// (include/uapi/linux/netfilter.h).
var actions = map[uint32]queue.Action{
	0: queue.Drop, 1: queue.Accept, 3: queue.Requeue, 4: queue.Repeat, 5: queue.Stop,
}

func (s *Sent) segment(i int, j *kerneltest.Journey) *Sent {
	p := s.packet.clone()
	p.GSO, p.Payload = 0, j.Result().Packet.Payload
	return &Sent{k: s.k, name: fmt.Sprintf("segment %d of %s", i+1, s.name), from: s.from, packet: p, journey: j}
}

func (o *Outcome) has(a queue.Action) bool { return slices.Contains(o.Verdicts, a) }

// sentence is the outcome in a message that begins with the packet.
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

// unopened is the queue that nobody had opened, and those that somebody has.
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
