package queuetest

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/ipqueue/ipqueue/queue"
)

// Want fails the test unless the packet has the fate f. Like all Want methods, it
// waits as Wait does, reports what happened instead, and lets the test continue.
//
// A fate that the test expects with Want does not fail the test at its end. To
// check that a packet is still Pending, use Outcome.
func (s *Sent) Want(f Fate) {
	s.k.t.Helper()
	s.want(f)
}

// want is like Want. It returns the outcome, and true if the fate is f.
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

// WantAccepted fails the test unless the packet is accepted with its original
// payload. It does not check mark and priority.
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
// p instead of its own. It ignores the other fields of p.
func (s *Sent) WantReplaced(p Packet) {
	s.k.t.Helper()
	o := s.Wait()
	s.k.judge(s.journey)
	switch {
	case o.Fate == Pending:
	case o.Fate != Accepted:
		s.k.t.Errorf("%v %s; want it replaced by %v", s, s.sentence(&o), p)
	case !o.Replaced:
		s.k.t.Errorf("%v %s unchanged; want it replaced by %v", s, s.sentence(&o), p)
	case !bytes.Equal(o.Packet.Payload, p.Payload):
		s.k.t.Errorf("%v %s by a different packet\n%s", s, s.sentence(&o), difference(o.Packet.Payload, p.Payload))
	}
}

// WantMark fails the test unless the packet passes with the given mark.
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
// again. It waits only for that verdict. With Packet.PassMark the packet may then
// pass the rule.
func (s *Sent) WantRepeated() {
	s.k.t.Helper()
	s.wantVerdict("want it repeated", func(o Outcome) bool { return o.has(queue.Repeat) })
}

// WantRequeued fails the test unless a verdict moves the packet to the queue with
// the given number, which is 0 with ip_queue. It waits only for that verdict. The
// packet then does not fail the test at its end, so the other queue need not be
// open. If it is, the packet waits there for another verdict.
func (s *Sent) WantRequeued(number uint16) {
	s.k.t.Helper()
	text := fmt.Sprintf("want it requeued to queue %d", number)
	if s.wantVerdict(text, func(o Outcome) bool { return slices.Contains(o.Requeued, number) }) {
		s.k.judge(s.journey)
	}
}

// wantVerdict waits until given returns true for the outcome. If the fate of the
// packet is decided before that, it fails the test.
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
