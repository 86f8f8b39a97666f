package queue

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ipqueue/ipqueue/internal/ledger"
)

// An Action is what becomes of a packet. Its zero value is not an action.
type Action uint8

const (
	// Accept lets the packet go on.
	Accept Action = iota + 1
	// Drop ends it.
	Drop
	// Repeat sends it through the same hook again, from its first rule. The
	// rules must tell it apart then, for example by a mark, or it is queued for ever.
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

// op returns the action as OpError.Op has it.
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

	data bool // Payload is to replace the packet's data only

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
	// Config.Conntrack. Together with a Payload of another length, a TCP
	// connection that is translated (NAT) and has no conntrack helper breaks: the
	// kernel cannot adjust its sequence numbers, and warns.
	Conntrack CTChange
}

// short returns what v says to any packet in the same few words, and whether
// that is all.
func (v *Verdict) short() (short ledger.Verdict, all bool) {
	short = ledger.Verdict{
		Action: ledger.Action(v.Action), Mark: v.Mark, MarkMask: v.MarkMask,
		Priority: v.Priority, SetPriority: v.Priority != 0 || v.ZeroPriority,
	}
	if v.MarkMask == 0 && v.Mark != 0 {
		short.MarkMask = ^uint32(0)
	}
	return short, v.Payload == nil && v.Action != Requeue && v.VLAN == (VLAN{}) && v.LinkHeader == nil &&
		v.Conntrack == (CTChange{})
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

// op returns the verdict as OpError.Op has it.
func (v *Verdict) op() string {
	if v.Payload != nil {
		return "replace"
	}
	return v.Action.op()
}

// Accept lets the packet go on. It fails only if the packet needs no verdict any
// more: with ErrDecided, ErrGone or ErrClosed. See Decide.
func (p Packet) Accept() error { return p.judge(Accept) }

// Drop ends the packet. It fails as Accept does.
func (p Packet) Drop() error { return p.judge(Drop) }

// Repeat sends the packet through its hook again. It fails as Accept does. See
// Action.
func (p Packet) Repeat() error { return p.judge(Repeat) }

// judge decides with nothing but an action.
func (p *Packet) judge(a Action) error {
	if p.slot == nil {
		return p.refuse(a.op(), ErrClosed)
	}
	if err := p.slot.Decide(p.seq, ledger.Verdict{Action: ledger.Action(a)}); err != nil {
		return p.refuse(a.op(), err)
	}
	return nil
}

// Replace accepts the packet with payload in its place. payload starts at the
// IP header and may be p.Payload, changed or not; it is copied, and the caller's
// bytes stay as they are.
//
// In the copy, the IP and UDP lengths are set to the number of bytes given, and
// all checksums are computed. A packet that is given back unchanged arrives as
// it would have: if the number of bytes is the packet's own, so are lengths that
// the caller has not changed. A UDP datagram may be shorter than its IP packet,
// for example, and a UDP checksum that the sender left out is not added.
//
// Replace refuses what could not arrive, and leaves the packet undecided:
//
//   - ErrInvalid: payload is no IP packet of the same version, is malformed, is
//     shorter than the packet's own IP headers, or too long for the kernel.
//   - ErrTruncated: the packet is a cut copy (Truncated) and payload is not
//     complete: its IP length says more.
//   - ErrUnsupported: the packet is a GSO packet and payload has another length
//     or other headers, or is not TCP; or a checksum is owed to the packet
//     (ChecksumReady) that is not its own transport's, as in a tunnel that ends
//     in this host. Config.NoGSO avoids both. At HookPrerouting and HookInput
//     the IPv4 header and an IPv6 hop-by-hop header must keep their length.
//     Linux 7.2 and later drop replaced packets of the Bridge family, and all of
//     a network namespace that the initial user namespace does not own, as in a
//     rootless container.
//
// See Decide for the rest, and ReplaceData for the common case.
func (p Packet) Replace(payload []byte) error {
	return p.Decide(Verdict{Action: Accept, Payload: nonNil(payload)})
}

// ReplaceRaw is Replace without any repair: what is wrong in payload stays
// wrong, and the receiver drops it silently. It refuses only what the kernel
// itself cannot take: a payload that is too short or too long, and GSO packets
// like Replace.
func (p Packet) ReplaceRaw(payload []byte) error {
	return p.Decide(Verdict{Action: Accept, Payload: nonNil(payload), Raw: true})
}

// ReplaceData accepts the packet with data in place of its Data, and repairs the
// lengths and checksums around it, as Replace does. What follows the data is
// left out. data may be part of Payload. It is copied, and not changed.
//
// The new data may have any length that fits a packet, except in TCP: a TCP
// segment of another length shifts the sequence numbers of everything that
// follows in its connection, so that is refused with ErrUnsupported, as are
// fragments and packets without Data. A program that translates the sequence
// numbers of both directions can use Replace. The other errors are those of
// Replace.
func (p Packet) ReplaceData(data []byte) error {
	return p.Decide(Verdict{Action: Accept, Payload: nonNil(data), data: true})
}

// nonNil makes an empty replacement an empty one, not none.
func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// Decide gives the packet its verdict. It does not wait for the kernel nor for
// the application; it may carry verdicts of other goroutines along. While
// another goroutine's verdict for the same packet is being made up, Decide waits
// for that, which takes as long as a copy and a checksum. nil means that the
// verdict is taken for sending; if the kernel refuses it later, Stats counts
// that and Config.OnRefused is called.
//
// Errors: ErrDecided if the packet has its verdict already; ErrGone; ErrClosed
// after Close; and, for a verdict that is refused, ErrInvalid, ErrTruncated and
// ErrUnsupported. A refused verdict leaves the packet undecided: it waits in the
// kernel until it gets another one, such as Drop, or until Config.Deadline.
func (p Packet) Decide(v Verdict) error {
	err := p.decide(&v)
	if err != nil {
		return p.refuse(v.op(), err)
	}
	return nil
}

func (p *Packet) decide(v *Verdict) error {
	s := p.slot
	if s == nil {
		return ErrClosed
	}
	b := p.Queue().backend
	if v.Action == 0 || v.Action > Requeue {
		return fmt.Errorf("%w: %v", ErrInvalid, v.Action)
	}
	if err := b.check(*v); err != nil {
		return err
	}
	short, all := v.short()
	if all {
		return s.Decide(p.seq, short)
	}
	if err := s.Claim(p.seq); err != nil {
		return err
	}
	claimed := true
	defer func() { // also of a panic
		if claimed {
			s.GiveBack()
		}
	}()
	whole := v.Conntrack.fit(conntrackIn(s))
	if err := p.encode(v); err != nil {
		return err
	}
	claimed = false
	err := s.Submit(short, v.Payload != nil)
	if err == nil && !whole {
		p.Queue().conntrackSkipped.Add(1)
	}
	return err
}

// encode makes up the verdict's message in the slot, which is claimed. Its
// payload is repaired there.
func (p *Packet) encode(v *Verdict) error {
	s, b := p.slot, p.Queue().backend
	if v.data {
		if err := withData(p, v); err != nil {
			return err
		}
	}
	if err := checkPayload(p, v, b.maxPayload()); err != nil {
		return err
	}
	if err := b.suits(*p, *v); err != nil {
		return err
	}
	s.Message = slices.Grow(s.Message[:0], v.room())
	s.Message = b.appendVerdict(s.Message, s.ID, v.marked(s.Mark), *v)
	if v.Payload == nil || v.Raw || p.version() == 0 {
		return nil
	}
	return repair(p, s.Message[len(s.Message)-len(v.Payload):])
}

// room is the most that the verdict's message takes.
func (v *Verdict) room() int { return len(v.Payload) + len(v.LinkHeader) + 3*sizeVerdict }

// sizeVerdict is at least the size of a verdict that is one for any packet.
const sizeVerdict = 64

// refuse wraps the error of a verdict.
func (p *Packet) refuse(op string, err error) error {
	if p.slot == nil {
		return &OpError{Op: op, Err: err}
	}
	return p.Queue().opError(op, err)
}

// DecideUpTo gives the verdict to the packet and to all undecided packets of its
// queue that were received before it, wherever they are, and returns how many
// that were. It also ends the life of their payloads. The kernel gets batch
// verdicts where the result is the same.
//
// Accept or Drop, with a mark and a priority or without, suits any packet, as do
// the other actions. A change of Verdict.Conntrack goes to the connection of
// each packet, as far as that admits it (CTChange). What belongs to one packet,
// such as a payload or the status of its connection, is refused with ErrInvalid.
// Errors: ErrInvalid, ErrUnsupported and ErrClosed, with nothing decided.
func (p Packet) DecideUpTo(v Verdict) (int, error) {
	n, err := p.decideUpTo(&v)
	if err != nil {
		return 0, p.refuse(v.op(), err)
	}
	return n, nil
}

func (p *Packet) decideUpTo(v *Verdict) (int, error) {
	if p.slot == nil {
		return 0, ErrClosed
	}
	q := p.Queue()
	switch {
	case q.life.isAt(closing):
		return 0, ErrClosed
	case v.Action == 0 || v.Action > Requeue:
		return 0, fmt.Errorf("%w: %v", ErrInvalid, v.Action)
	case v.Payload != nil || v.VLAN != (VLAN{}) || v.LinkHeader != nil:
		return 0, fmt.Errorf("%w: a payload, VLAN tag or link header is for one packet", ErrInvalid)
	case v.Conntrack.changesStatus():
		return 0, fmt.Errorf("%w: the status of a connection is changed by a verdict for one packet", ErrInvalid)
	}
	if err := q.backend.check(*v); err != nil {
		return 0, err
	}
	short, all := v.short()
	if all {
		return q.ledger.DecideUpTo(p.seq, short, nil)
	}
	return q.ledger.DecideUpTo(p.seq, short, func(s *ledger.Slot) {
		own := *v
		if !own.Conntrack.fit(conntrackIn(s)) {
			q.conntrackSkipped.Add(1)
		}
		s.Message = q.backend.appendVerdict(s.Message[:0], s.ID, own.marked(s.Mark), own)
	})
}
