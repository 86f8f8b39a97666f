package queue

import (
	"fmt"
	"slices"
	"strings"
)

// An Action is what becomes of a packet. Its zero value is not an action.
type Action uint8

const (
	// Accept lets the packet go on.
	Accept Action = iota + 1
	// Drop ends it.
	Drop
	// Repeat sends it through the same hook again, from its first rule. The
	// rules must tell it apart then, by a mark say, or it is queued for ever.
	Repeat
	// Stop lets it go on past the remaining chains of its hook.
	Stop
	// Requeue puts it into the queue Verdict.Number, or with ip_queue at the
	// end of the same queue.
	Requeue

	actions = int(Requeue) + 1
)

func (a Action) String() string {
	if a == 0 {
		return "Action(0)"
	}
	return name(int(a)-1, "Accept", "Drop", "Repeat", "Stop", "Requeue")
}

// op is the action as OpError.Op tells it.
func (a Action) op() string {
	if a == 0 {
		return "decide"
	}
	return name(int(a)-1, "accept", "drop", "repeat", "stop", "requeue")
}

// A Verdict is a decision about one packet with all that can go with it.
// Action must be set; the other fields' zero values leave the packet as it is.
// ip_queue takes none of them but Payload and Raw.
type Verdict struct {
	Action Action

	// Payload, if not nil, replaces the packet, from its IP header on. It is
	// copied; lengths and checksums are repaired in the copy unless Raw is set.
	Payload []byte
	// Raw sends Payload as it is.
	Raw bool

	// Mark changes the packet's firewall mark in the bits of MarkMask, and
	// leaves the other bits, which may belong to other programs. Mark must be
	// within MarkMask. A MarkMask of 0 means all bits if Mark is not 0, and no
	// change if it is: to set a mark of 0, give the MarkMask ^uint32(0).
	//
	// Accept ends the evaluation of the chain, so its later rules do not see
	// the mark; later chains do, and with Repeat the same chain does.
	Mark, MarkMask uint32

	// Priority, if not 0, becomes the packet's queueing priority; ZeroPriority
	// sets it to 0. Linux before 5.18 ignores it.
	Priority     uint32
	ZeroPriority bool

	// Number is the queue that Requeue moves the packet to. Bypass accepts it
	// if nobody listens there, instead of dropping it (Linux 3.10).
	Number uint16
	Bypass bool

	// VLAN, if not zero, becomes the packet's VLAN tag, in the Bridge family
	// alone (Linux 4.7).
	VLAN VLAN
	// LinkHeader, if not nil, becomes the packet's link header, in the Bridge
	// family alone; it must be as long as the original (Linux 4.7).
	LinkHeader []byte

	// Conntrack changes the packet's connection tracking entry, with
	// Config.Conntrack.
	Conntrack CTChange
}

// plain reports whether v says nothing but its action.
func (v *Verdict) plain() bool {
	return v.Payload == nil && !v.changesMark() && v.Priority == 0 && !v.ZeroPriority &&
		v.Action != Requeue && v.VLAN == (VLAN{}) && v.LinkHeader == nil && v.Conntrack == (CTChange{})
}

func (v *Verdict) changesMark() bool { return v.Mark|v.MarkMask != 0 }

// marked returns the mark that the verdict gives to a packet whose mark is old.
func (v *Verdict) marked(old uint32) uint32 {
	if v.MarkMask == 0 {
		return v.Mark
	}
	return old&^v.MarkMask | v.Mark
}

// checkMark refuses a mark that would change bits outside its mask.
func (v *Verdict) checkMark() error {
	if v.MarkMask != 0 && v.Mark&^v.MarkMask != 0 {
		return fmt.Errorf("%w: mark %#x has bits outside of mask %#x", ErrInvalid, v.Mark, v.MarkMask)
	}
	return nil
}

// markText shows a mark as rules do: the mask only if it leaves some bits.
func markText(mark, mask uint32) string {
	if mask == 0 || mask == ^uint32(0) {
		return fmt.Sprintf("%#x", mark)
	}
	return fmt.Sprintf("%#x/%#x", mark, mask)
}

// String shows the verdict in a line, a payload by its length.
func (v Verdict) String() string {
	said := parts{v.Action.String()}
	said.add(v.Action == Requeue, "to %d", v.Number)
	said.add(v.Bypass, "or accept")
	said.add(v.Payload != nil, "with %d bytes", len(v.Payload))
	said.add(v.changesMark(), "mark %s", markText(v.Mark, v.MarkMask))
	said.add(v.Priority != 0 || v.ZeroPriority, "priority %#x", v.Priority)
	said.add(v.VLAN != (VLAN{}), "VLAN %v", v.VLAN)
	said.add(v.LinkHeader != nil, "link header of %d bytes", len(v.LinkHeader))
	said.add(v.Conntrack != CTChange{}, "%v", v.Conntrack)
	return strings.Join(said, " ")
}

// op is the verdict as OpError.Op tells it.
func (v *Verdict) op() string {
	if v.Payload != nil {
		return "replace"
	}
	return v.Action.op()
}

// Accept lets the packet go on. See Decide.
func (p Packet) Accept() error { return p.slot.judge(p.seq, Accept) }

// Drop ends the packet. See Decide.
func (p Packet) Drop() error { return p.slot.judge(p.seq, Drop) }

// Repeat sends the packet through its hook again. See Action and Decide.
func (p Packet) Repeat() error { return p.slot.judge(p.seq, Repeat) }

// Replace accepts the packet with payload in its place. payload starts at the
// IP header and may be p.Payload, changed or not; it is copied, and in the copy
// the IP and UDP lengths are set to the number of bytes given and all
// checksums are computed. The caller's bytes stay as they are.
//
// A payload shorter than its own IP header says is taken for a cut copy and
// refused with ErrTruncated: checksum.Resize makes the header of one that was
// made shorter say so. A payload that is too short to be a packet or too long
// for the kernel is refused with ErrInvalid; another length for a GSO packet
// with ErrUnsupported. See Decide for the rest.
func (p Packet) Replace(payload []byte) error {
	return p.Decide(Verdict{Action: Accept, Payload: nonNil(payload)})
}

// ReplaceRaw is Replace without any repair: what is wrong in payload stays
// wrong, and the receiver will drop it without a word.
func (p Packet) ReplaceRaw(payload []byte) error {
	return p.Decide(Verdict{Action: Accept, Payload: nonNil(payload), Raw: true})
}

// nonNil makes an empty replacement an empty one, not none.
func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// Decide gives the packet its verdict. It does not wait for the kernel nor for
// the application; it may carry verdicts of other goroutines along. nil means
// that the verdict is taken for sending; the kernel's later refusal is counted
// in Stats and told to Config.OnRefused.
//
// Errors: ErrDecided if the packet had its verdict already; ErrGone; ErrClosed
// after Close; and, leaving the packet undecided, ErrInvalid, ErrTruncated and
// ErrUnsupported.
func (p Packet) Decide(v Verdict) error {
	s := p.slot
	if v.plain() {
		if v.Action == 0 || v.Action > Requeue {
			return s.refuse(v.op(), fmt.Errorf("%w: %v", ErrInvalid, v.Action))
		}
		return s.judge(p.seq, v.Action)
	}
	if err := s.carry(&p, &v); err != nil {
		return s.refuse(v.op(), err)
	}
	return nil
}

// carry decides with a verdict that says more than an action. It is made up
// without the lock.
func (s *slot) carry(p *Packet, v *Verdict) error {
	if s == nil {
		return ErrClosed
	}
	w := &s.q.writer
	if err := w.claim(s, p.seq); err != nil {
		return err
	}
	if err := s.prepare(p, v); err != nil {
		s.out, s.replaces = s.out[:0], false
		w.unclaim(s)
		return err
	}
	s.action = v.Action
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.submit(s)
}

// judge decides with nothing but an action.
func (s *slot) judge(seq uint64, a Action) error {
	if s == nil {
		return s.refuse(a.op(), ErrClosed)
	}
	w := &s.q.writer
	w.mu.Lock()
	err := w.judge(s, seq, a)
	w.mu.Unlock()
	if err != nil {
		return s.refuse(a.op(), err)
	}
	return nil
}

// refuse wraps a verdict's error. s may be nil, that of a zero Packet.
func (s *slot) refuse(op string, err error) error {
	if s == nil {
		return &OpError{Op: op, Err: err}
	}
	return s.q.opError(op, err)
}

// prepare encodes the verdict into s.out and repairs its payload there.
func (s *slot) prepare(p *Packet, v *Verdict) error {
	k := s.q.kernel
	if v.Action == 0 || v.Action > Requeue {
		return fmt.Errorf("%w: %v", ErrInvalid, v.Action)
	}
	if err := k.check(*p, *v); err != nil {
		return err
	}
	if err := checkPayload(p, v, k.maxPayload()); err != nil {
		return err
	}
	v.Conntrack.completeStatus(p)
	s.out = slices.Grow(s.out[:0], len(v.Payload)+len(v.LinkHeader)+3*sizeVerdict)
	s.out = k.appendVerdict(s.out, s.id, v.marked(p.Mark), *v)
	s.replaces = v.Payload != nil
	if v.Payload == nil || v.Raw || p.version() == 0 {
		return nil
	}
	return repair(s.out[len(s.out)-len(v.Payload):])
}
