package queue

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ipqueue/ipqueue/internal/ledger"
)

// An Action is what a verdict does with a packet. The zero value is not a valid
// Action.
type Action uint8

const (
	// Accept lets the packet continue with the next chain of its hook.
	Accept Action = iota + 1
	// Drop drops the packet.
	Drop
	// Repeat sends the packet through the chain that queued it again. A rule
	// must then let it pass, for example by its mark. Otherwise it is queued
	// again and again.
	Repeat
	// Stop accepts the packet and skips the remaining chains of its hook.
	Stop
	// Requeue moves the packet to the queue Verdict.Number, or with ip_queue
	// to the end of the same queue.
	Requeue

	actions = int(Requeue) + 1
)

// String returns the name of the constant.
func (a Action) String() string {
	return name("Action", uint8(a), "", "Accept", "Drop", "Repeat", "Stop", "Requeue")
}

// op returns the name of the action in OpError.Op.
func (a Action) op() string {
	if a == 0 || a > Requeue {
		return "decide"
	}
	return strings.ToLower(a.String())
}

// A Verdict is a decision about one packet. Action must be set. With the zero
// values of the other fields, the packet does not change. ip_queue supports
// only Action, Payload and Raw; it refuses other fields with ErrUnsupported.
type Verdict struct {
	Action Action

	// Payload, if not nil, replaces the packet, starting at its IP header.
	// Decide copies it, and repairs lengths and checksums in the copy unless
	// Raw is set: see Packet.Replace.
	Payload []byte
	// Raw sends Payload unchanged: see Packet.ReplaceRaw.
	Raw bool

	data bool // Payload replaces only the data of the packet

	// Mark contains the new values of those bits of the firewall mark that are
	// set in MarkMask. It must not contain other bits. Bits outside MarkMask,
	// which may belong to other programs, do not change. If MarkMask is 0, Mark
	// replaces all bits, unless it is 0, which changes nothing. To set a mark
	// of 0, set MarkMask to ^uint32(0).
	//
	// After Accept, the later rules of the same chain are not evaluated, so
	// they do not see the mark. Later chains do. After Repeat, the same chain
	// does. At HookOutput the kernel routes a packet again whose mark has changed
	// (linux 6.12: net/netfilter/utils.c, nf_reroute), which costs processor
	// time.
	Mark, MarkMask uint32

	// Priority, if not 0, is the new queueing priority of the packet. If it is
	// 0, ZeroPriority sets the priority to 0. Linux before 5.18 ignores both.
	Priority     uint32
	ZeroPriority bool

	// Number is the queue to which Requeue moves the packet. If no program has
	// opened that queue, the kernel drops the packet, or with Bypass accepts it
	// (Linux 3.10). Other actions ignore both fields.
	Number uint16
	Bypass bool

	// VLAN, if not zero, is the new VLAN tag of a packet of family Bridge
	// (Linux 4.7). Other families do not support it.
	VLAN VLAN
	// LinkHeader, if not nil, replaces the link-layer header of a packet of
	// family Bridge (Linux 4.7). It must have the same length, and is copied.
	// Other families do not support it.
	LinkHeader []byte

	// Conntrack changes the connection tracking entry of the packet. It
	// requires Config.Conntrack. Do not combine it with a Payload of another
	// length for a TCP connection that uses NAT and has no conntrack helper:
	// the connection breaks, because the kernel cannot adjust its sequence
	// numbers, and logs a warning.
	Conntrack CTChange
}

// short returns the part of v that every packet's verdict can have, as a
// ledger.Verdict, and reports whether that is all of v.
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

// marked returns the new mark of a packet whose mark is old.
func (v *Verdict) marked(old uint32) uint32 {
	if v.MarkMask == 0 {
		return v.Mark
	}
	return old&^v.MarkMask | v.Mark
}

// checkMark refuses a mark with bits outside its mask.
func (v *Verdict) checkMark() error {
	if v.MarkMask != 0 && v.Mark&^v.MarkMask != 0 {
		return fmt.Errorf("%w: mark %#x has bits outside of mask %#x", ErrInvalid, v.Mark, v.MarkMask)
	}
	return nil
}

// String returns the verdict in one line, with the length of a payload instead
// of its bytes.
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

// op returns the name of the verdict in OpError.Op.
func (v *Verdict) op() string {
	if v.Payload != nil {
		return "replace"
	}
	return v.Action.op()
}

// Accept lets the packet continue. It fails only if the packet no longer needs
// a verdict: with ErrDecided, ErrGone or ErrClosed. Like all verdict methods it
// does not block: see Decide.
func (p Packet) Accept() error { return p.judge(Accept) }

// Drop drops the packet. It fails only as Accept does.
func (p Packet) Drop() error { return p.judge(Drop) }

// Repeat sends the packet through the chain that queued it again: see Action.
// It fails only as Accept does.
func (p Packet) Repeat() error { return p.judge(Repeat) }

// judge gives a verdict that consists of an action only.
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
// IP header. It may be p.Payload, changed or not. Replace copies it, and does
// not change it.
//
// In the copy, Replace sets the IP and UDP lengths to the number of bytes in
// payload, and computes all checksums. It does not change what the program did
// not: if payload has as many bytes as the packet, and the same lengths in its
// headers, they stay, even if the UDP datagram is shorter than the IP packet.
// Replace adds no UDP checksum if the sender left it out.
//
// Replace refuses a payload that could not arrive. The packet is then still
// undecided. The error is
//
//   - ErrInvalid if payload is not an IP packet of the same version, is
//     malformed, is shorter than the IP headers of the packet, or is too long
//     for the kernel;
//   - ErrTruncated if the packet is Truncated and payload is too: it is shorter
//     than its IP length;
//   - ErrUnsupported if the packet is a GSO packet, and either is not TCP or
//     payload has another length or other headers;
//   - ErrUnsupported if the packet contains an unfinished checksum (see
//     ChecksumReady) that is not that of its own transport, as in a tunnel that
//     ends in this host, or if payload is a fragment of the packet or contains
//     it in a tunnel, with that checksum;
//   - ErrUnsupported if the length of the IPv4 header, or of an IPv6 hop-by-hop
//     header, changes at HookPrerouting or HookInput;
//   - ErrUnsupported if IPv4 options change at another hook than
//     HookPrerouting, and a record route, timestamp, source route or CIPSO
//     option is among them;
//   - ErrUnsupported if Linux 7.2 or later would drop the packet: a replaced
//     packet of family Bridge, any replaced packet in a network namespace that
//     the initial user namespace does not own, as in a rootless container, or
//     one whose IP options, extension headers or fragment bits change.
//
// Replace does not know the MTU of the link. If a replacement exceeds it, the
// kernel splits it into fragments. It drops it if that is not allowed: if it
// forwards the packet and that is IPv6, or IPv4 with the DF bit; or if a socket
// of this host that forbids fragments sent it.
//
// Config.NoGSO avoids GSO packets and unfinished checksums. ReplaceData is for
// the common case in which only the data changes. See Decide for the other
// errors.
func (p Packet) Replace(payload []byte) error {
	return p.Decide(Verdict{Action: Accept, Payload: nonNil(payload)})
}

// ReplaceRaw accepts the packet with payload in its place, without any repair.
// If a length or a checksum is wrong, the receiver drops the packet silently.
// ReplaceRaw refuses only what the kernel cannot process: a payload that is too
// short or too long, changes of headers that Replace refuses, and GSO packets
// as Replace does.
func (p Packet) ReplaceRaw(payload []byte) error {
	return p.Decide(Verdict{Action: Accept, Payload: nonNil(payload), Raw: true})
}

// ReplaceData accepts the packet with data in place of its Data, and repairs
// the lengths and checksums around it as Replace does. It removes bytes after
// the old data. data may be a part of Payload. ReplaceData copies it, and does
// not change it.
//
// data may have any length that fits in a packet, except in TCP. There
// ReplaceData refuses another length with ErrUnsupported, because it would
// shift the sequence numbers of all later data of the connection. (A program
// that translates the sequence numbers of both directions can use Replace.)
// ReplaceData also fails with ErrUnsupported for fragments and for packets
// without Data. The other errors are those of Replace.
func (p Packet) ReplaceData(data []byte) error {
	return p.Decide(Verdict{Action: Accept, Payload: nonNil(data), data: true})
}

// nonNil returns an empty slice for nil: nil in Verdict.Payload means no
// replacement.
func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// Decide gives the packet its verdict. The result nil means that the verdict
// was taken for sending. If the kernel refuses it later, Stats counts that and
// Config.OnRefused is called.
//
// Decide does not block: it sends the verdict, possibly together with verdicts
// of other goroutines, or leaves it to the next send, at most 100 microseconds
// later. If another goroutine is deciding the same packet, Decide waits until
// that has succeeded or failed, which takes no longer than copying the payload
// and computing checksums.
//
// Decide fails with ErrDecided if the packet already has a verdict, with
// ErrGone if the kernel no longer has the packet, and with ErrClosed after
// Close. It refuses a verdict with ErrInvalid, ErrTruncated or ErrUnsupported.
// The packet is then still undecided: it waits in the kernel for another
// verdict, for example Drop, or for Config.Deadline.
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
	defer func() { // also after a panic
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

// encode encodes the verdict into the slot's message, and repairs the payload
// there. The caller has the claim.
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

// room returns the maximum length of the verdict's message.
func (v *Verdict) room() int { return len(v.Payload) + len(v.LinkHeader) + 3*sizeVerdict }

// sizeVerdict is at least the length of a verdict without payload, link header
// and conntrack changes.
const sizeVerdict = 64

// refuse wraps an error of a verdict.
func (p *Packet) refuse(op string, err error) error {
	if p.slot == nil {
		return &OpError{Op: op, Err: err}
	}
	return p.Queue().opError(op, err)
}

// DecideUpTo gives the same verdict to the packet and to all undecided packets
// of its queue that were received before it, including those in the channel. It
// returns their number. It ends the life of their payloads, so no other
// goroutine may be reading these packets. If the result is the same, the kernel
// gets one batch verdict for many packets.
//
// The verdict must not contain anything that belongs to one packet: DecideUpTo
// refuses Payload, VLAN, LinkHeader and a change of the connection's status
// with ErrInvalid. Any Action is allowed, as are Mark and Priority. Other
// changes in Conntrack apply to the connection of each packet, as far as its
// entry allows (see CTChange). DecideUpTo fails with ErrInvalid, ErrUnsupported
// or ErrClosed, and then decides no packet.
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
		return 0, fmt.Errorf("%w: DecideUpTo cannot have a Payload, VLAN or LinkHeader, which belong to one packet", ErrInvalid)
	case v.Conntrack.changesStatus():
		return 0, fmt.Errorf("%w: DecideUpTo cannot change the status of connections", ErrInvalid)
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
