package queuetest_test

import (
	"slices"
	"testing"

	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/queue/queuetest"
)

// TestOutcome follows a packet that is requeued once and repeated once.
func TestOutcome(t *testing.T) {
	other := queuetest.UDP("10.0.0.1:1", "10.0.0.2:2", nil)
	failing(t, func(t queuetest.TB) {
		k := queuetest.New(t, queuetest.Options{Number: 1})
		decide(k, queue.Config{Number: 1}, always(queue.Verdict{Action: queue.Requeue, Number: 2}))
		decide(k, queue.Config{Number: 2}, always(queue.Verdict{
			Action: queue.Repeat, Mark: 9, Priority: 5, Payload: other.Payload,
		}))
		p := hello
		p.PassMark = 9
		s := k.Send(p)
		o := s.Wait()
		if o.Fate != queuetest.Accepted || !o.Replaced || o.Packet.Mark != 9 || o.Packet.Priority != 5 {
			t.Errorf("%+v", o)
		}
		if got := o.Packet.String(); got != other.String() {
			t.Errorf("the packet left as %s, want %s", got, other)
		}
		if want := []queue.Action{queue.Requeue, queue.Repeat}; !slices.Equal(o.Verdicts, want) {
			t.Errorf("verdicts %v, want %v", o.Verdicts, want)
		}
		if want := []uint16{2}; !slices.Equal(o.Requeued, want) {
			t.Errorf("requeued to %v, want %v", o.Requeued, want)
		}
		clear(o.Packet.Payload)
		if again := s.Outcome().Packet; again.String() != other.String() {
			t.Errorf("the payload is shared: %s", again)
		}
	})
}

// TestSegments sends a large packet to a queue with NoGSO, and checks its
// segments.
func TestSegments(t *testing.T) {
	k := queuetest.New(t, queuetest.Options{})
	decide(k, queue.Config{NoGSO: true}, func(p queue.Packet) queue.Verdict {
		if p.ID == 2 {
			return drop
		}
		return accept
	})
	p := queuetest.UDP("10.0.0.1:1", "10.0.0.2:2", make([]byte, 25))
	p.GSO = 10
	s := k.Send(p)
	s.Want(queuetest.Segmented)
	segments := s.Outcome().Segments
	if len(segments) != 3 {
		t.Fatalf("%d segments, want 3", len(segments))
	}
	segments[0].WantAccepted()
	segments[1].WantDropped()
	if o := segments[2].Wait(); o.Fate != queuetest.Accepted || len(o.Packet.Payload) != 33 || o.Packet.GSO != 0 {
		t.Errorf("%+v, want 33 bytes accepted", o)
	}
	if got, want := segments[1].String(), "segment 2 of packet 1 (UDP 10.0.0.1:1 > 10.0.0.2:2, 38 bytes)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestGSO(t *testing.T) {
	k := queuetest.New(t, queuetest.Options{})
	q := k.Open(queue.Config{})
	p := queuetest.UDP("10.0.0.1:1", "10.0.0.2:2", make([]byte, 25))
	p.GSO = 10
	s := k.Send(p)
	got := <-q.Packets()
	if !got.GSO() || got.Length != 53 {
		t.Errorf("GSO %t, %d bytes, want one large packet", got.GSO(), got.Length)
	}
	got.Accept()
	s.WantAccepted()
}
