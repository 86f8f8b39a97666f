package queue

import (
	"fmt"
)

// DecideUpTo gives the verdict to the packet and to all packets of its queue
// that were received before it and are undecided, wherever they are, and
// returns how many that were. It ends the life of their payloads as well. The
// kernel is told with batch verdicts where that can be (see Decide).
//
// A verdict of Accept or Drop, mark and priority included, suits any packet, as
// do the other actions. A change of Verdict.Conntrack goes to the connection of
// each packet, as far as that can take it; it must suit this packet. What belongs
// to one packet, a payload say or the status of its connection, is refused with
// ErrInvalid. Packets for which another goroutine is just making up a
// verdict are left to it. Errors: ErrInvalid, ErrUnsupported and ErrClosed, with
// nothing decided.
func (p Packet) DecideUpTo(v Verdict) (int, error) {
	s := p.slot
	if s == nil || s.q.life.Load() >= closing {
		return 0, s.refuse(v.op(), ErrClosed)
	}
	if err := s.q.checkForAll(p, v); err != nil {
		return 0, s.refuse(v.op(), err)
	}
	w := &s.q.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.takeUpTo(p.seq, &v)
	if n > 0 && !w.sending && !w.dead {
		w.flush(n/maxRun + maxCarry)
	}
	return n, nil
}

// checkForAll refuses verdicts that make no sense for several packets.
func (q *Queue) checkForAll(p Packet, v Verdict) error {
	switch {
	case v.Action == 0 || v.Action > Requeue:
		return fmt.Errorf("%w: %v", ErrInvalid, v.Action)
	case v.Payload != nil || v.VLAN != (VLAN{}) || v.LinkHeader != nil:
		return fmt.Errorf("%w: a payload, VLAN tag or link header is for one packet", ErrInvalid)
	case v.Conntrack.changesStatus():
		return fmt.Errorf("%w: the status of a connection is changed by a verdict for one packet", ErrInvalid)
	case v.plain():
		return nil
	}
	return q.kernel.check(p, v)
}

// takeUpTo takes the open packets that arrived up to seq and pushes v for each.
func (w *writer) takeUpTo(seq uint64, v *Verdict) (n int) {
	var next *slot
	for s := w.arrivals.oldest; s != nil && s.seq <= seq; s = next {
		next = s.next
		if taken, _ := s.take(); !taken {
			continue
		}
		s.action = v.Action
		if !v.plain() {
			s.out = w.q.kernel.appendVerdict(s.out[:0], s.id, v.marked(s.mark), *v)
		}
		if w.push(s) == nil {
			n++
		}
	}
	return n
}
