package queuetest

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/ipqueue/ipqueue/queue"
)

// Want fails the test unless that is what becomes of the packet. Like all the
// methods called Want it waits as Wait does, says in its failure what happened
// instead, and lets the test go on.
//
// A fate that the test wants is not held against it in the end, whatever it is.
// That a packet is still Pending is to be seen by Outcome.
func (s *Sent) Want(f Fate) {
	s.k.t.Helper()
	s.want(f)
}

// want also returns the outcome if it is the right one.
func (s *Sent) want(f Fate) (o Outcome, ok bool) {
	s.k.t.Helper()
	if o = s.Wait(); o.Fate == Pending {
		return o, false
	}
	s.k.judge(s.journey)
	if o.Fate != f {
		s.k.t.Errorf("%v %s; want %v", s, s.sentence(&o), f)
		return o, false
	}
	return o, true
}

// WantAccepted fails the test unless the packet is accepted with its payload as
// it was. Its mark and priority may be others.
func (s *Sent) WantAccepted() {
	s.k.t.Helper()
	if o, ok := s.want(Accepted); ok && o.Replaced {
		s.k.t.Errorf("%v %s; want it unchanged\n%s", s, s.sentence(&o), difference(o.Packet.Payload, s.packet.Payload))
	}
}

// WantDropped fails the test unless a verdict drops the packet.
func (s *Sent) WantDropped() {
	s.k.t.Helper()
	s.want(Dropped)
}

// WantReplaced fails the test unless the packet is accepted with the payload of
// p in place of its own. Other fields of p do not matter.
func (s *Sent) WantReplaced(p Packet) {
	s.k.t.Helper()
	o := s.Wait()
	s.k.judge(s.journey)
	switch {
	case o.Fate == Pending:
	case o.Fate != Accepted:
		s.k.t.Errorf("%v %s; want it replaced by %v", s, s.sentence(&o), p)
	case !o.Replaced:
		s.k.t.Errorf("%v %s as it was; want it replaced by %v", s, s.sentence(&o), p)
	case !bytes.Equal(o.Packet.Payload, p.Payload):
		s.k.t.Errorf("%v %s by something else\n%s", s, s.sentence(&o), difference(o.Packet.Payload, p.Payload))
	}
}

// WantMark fails the test unless the packet passes with that mark.
func (s *Sent) WantMark(mark uint32) {
	s.k.t.Helper()
	o := s.Wait()
	switch {
	case o.Fate == Pending:
	case !o.Fate.Passes():
		s.k.t.Errorf("%v %s; want it to pass with mark %#x", s, s.sentence(&o), mark)
	case o.Packet.Mark != mark:
		s.k.t.Errorf("%v %s with mark %#x, want %#x", s, s.sentence(&o), o.Packet.Mark, mark)
	}
}

// WantRepeated fails the test unless a verdict sends the packet through its hook
// again. It waits for that verdict alone; Packet.PassMark says what comes of it.
func (s *Sent) WantRepeated() {
	s.k.t.Helper()
	s.wantVerdict("want it repeated", func(o Outcome) bool { return o.has(queue.Repeat) })
}

// WantRequeued fails the test unless a verdict moves the packet to the queue of
// that number, with ip_queue 0. It waits for that verdict alone, and the packet is not held
// against the test in the end: nobody need have opened the other queue. If
// somebody has, the packet waits there for another verdict.
func (s *Sent) WantRequeued(number uint16) {
	s.k.t.Helper()
	text := fmt.Sprintf("want it requeued to queue %d", number)
	if s.wantVerdict(text, func(o Outcome) bool { return slices.Contains(o.Requeued, number) }) {
		s.k.judge(s.journey)
	}
}

// wantVerdict waits for a verdict that the packet has got.
func (s *Sent) wantVerdict(text string, given func(Outcome) bool) bool {
	s.k.t.Helper()
	o := s.await(func(o Outcome) bool { return given(o) || o.Fate != Pending })
	if given(o) {
		return true
	}
	s.k.judge(s.journey)
	s.k.t.Errorf("%v %s; %s", s, s.sentence(&o), text)
	return false
}
