package queue

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/ipqueue/ipqueue/internal/ip"
	"github.com/ipqueue/ipqueue/internal/ledger"
	"github.com/ipqueue/ipqueue/wire"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// A Packet is one packet that the kernel holds until it gets a verdict. It is
// a small value, meant to be copied; all copies stand for the same packet,
// which needs exactly one verdict. Any goroutine may give the verdict, at any
// time and in any order of the packets.
//
// The zero Packet is safe to use: its verdicts return ErrClosed.
type Packet struct {
	// Payload is the packet as the kernel copied it, from its IP header on. It
	// belongs to the library and is valid until the application's verdict; then
	// its memory is used again. Clone returns a copy that stays. If a deadline
	// or the queue's end decides the packet, Payload stays as it is. In programs
	// built with the race detector, Payload is filled with 0xdb after the
	// verdict. Changing it has no effect unless it is given to Replace. It is
	// empty in mode MetaOnly.
	Payload []byte

	slot *ledger.Slot
	seq  uint64

	// ID is the kernel's name for the packet: for nfnetlink_queue a number
	// that rises by one with each packet of the queue and wraps at 32 bits, for
	// ip_queue an address that is used again.
	ID uint64

	micros int64 // receive time, microseconds since 1970, 0 if there is none

	// Mark is the packet's firewall mark.
	Mark uint32

	// Length is the length of the packet in bytes, of which Payload has the
	// first ones. In mode MetaOnly it is 0, unknown, and with ip_queue it is
	// what the IP header says, if Payload reaches that far.
	Length uint32

	in, out, physIn, physOut uint32 // interface index, for ip_queue a position in its names

	// Priority is the packet's queueing priority (Linux 5.18, else 0).
	Priority uint32
	// ClassID is the net_cls class of the sender's cgroup (Linux 6.4, else 0).
	ClassID uint32

	uid, gid uint32
	has      wire.NFQFields

	// HWProtocol is the packet's EtherType: 0x0800 for IPv4, 0x86dd for IPv6.
	// With ip_queue it is 0 at hook Output, where the kernel has not set it yet.
	HWProtocol uint16
	// HWType is the link type of the input device (an ARPHRD number, 1 for
	// Ethernet). Only ip_queue reports it.
	HWType uint16

	vlan   VLAN
	hwAddr [8]byte
	hwLen  uint8

	// Hook is where in the network stack the packet was queued.
	Hook Hook
	// Family is the protocol family of that hook.
	Family Family

	skb    uint8
	ctInfo uint8
}

// A Hook is a place in the network stack where packets are filtered.
type Hook uint8

// The hooks, in the order in which a packet can meet them.
const (
	HookPrerouting  Hook = iota // arrived, not yet routed
	HookInput                   // for this host
	HookForward                 // for another host
	HookOutput                  // made by this host
	HookPostrouting             // about to leave
)

func (h Hook) String() string {
	return name(int(h), "Prerouting", "Input", "Forward", "Output", "Postrouting")
}

// A VLAN is a VLAN tag: its protocol (0x8100 or 0x88a8) and its tag control
// information, whose low 12 bits are the VLAN's number.
type VLAN struct {
	Protocol uint16
	TCI      uint16
}

// ID returns the VLAN's number.
func (v VLAN) ID() uint16 { return v.TCI & 0xfff }

// String returns the VLAN's number and, if it is not 0, the priority.
func (v VLAN) String() string {
	if priority := v.TCI >> 13; priority != 0 {
		return fmt.Sprintf("%d priority %d", v.ID(), priority)
	}
	return fmt.Sprint(v.ID())
}

// Truncated reports whether Payload is known to be only the beginning of the
// packet.
func (p Packet) Truncated() bool { return int(p.Length) > len(p.Payload) }

// GSO reports whether the packet is larger than the MTU because its
// segmentation is left to the network device. Config.NoGSO avoids such packets.
func (p Packet) GSO() bool { return wire.SKBInfo(p.skb)&wire.SKBGSO != 0 }

// ChecksumReady reports whether the transport checksum in Payload is final. If
// not, the network device fills it in later: do not check it. Replace computes
// it.
func (p Packet) ChecksumReady() bool { return wire.SKBInfo(p.skb)&wire.SKBChecksumNotReady == 0 }

// ChecksumVerified reports whether the transport checksum is final and the
// kernel need not verify it: the device or the kernel has found it right, or
// the packet was made by this host, also by a raw socket that wrote a wrong one.
func (p Packet) ChecksumVerified() bool {
	return wire.SKBInfo(p.skb)&(wire.SKBChecksumNotReady|wire.SKBChecksumNotVerified) == 0
}

// Time returns when the packet was received, or the zero Time if the kernel did
// not report it: packets made by this host have none, and nfnetlink_queue
// reports it only while something else on the host asks for receive times.
func (p Packet) Time() time.Time {
	if p.micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(p.micros)
}

// In returns the interface by which the packet came. It costs nothing.
func (p Packet) In() Device { return p.device(p.in) }

// Out returns the interface by which the packet will leave, like In.
func (p Packet) Out() Device { return p.device(p.out) }

// PhysIn returns the bridge port by which the packet came, if it crosses a
// bridge, like In.
func (p Packet) PhysIn() Device { return p.device(p.physIn) }

// PhysOut returns the bridge port by which the packet will leave, if it crosses
// a bridge, like In.
func (p Packet) PhysOut() Device { return p.device(p.physOut) }

func (p Packet) device(i uint32) Device {
	if i == 0 || p.slot == nil {
		return Device{}
	}
	d := Device{queue: p.Queue(), number: i}
	if d.queue.backend.indexes() {
		d.Index = int(i)
	}
	return d
}

// HardwareAddr returns the link address of the sender, nil if there is none.
func (p Packet) HardwareAddr() net.HardwareAddr {
	if p.hwLen == 0 {
		return nil
	}
	return bytes.Clone(p.hwAddr[:p.hwLen])
}

// UID returns the user that owns the local socket the packet came from, as
// numbered in the initial user namespace. It requires Config.Owner; ok is false
// if the packet came from no local socket.
func (p Packet) UID() (uid uint32, ok bool) { return p.uid, p.has&wire.HasUID != 0 }

// GID returns the group that owns the local socket, like UID.
func (p Packet) GID() (gid uint32, ok bool) { return p.gid, p.has&wire.HasGID != 0 }

// VLAN returns the packet's VLAN tag. Only packets of family Bridge have one.
func (p Packet) VLAN() (tag VLAN, ok bool) { return p.vlan, p.has&wire.HasVLAN != 0 }

// LinkHeader returns the packet's link header, nil in other families than
// Bridge. Like Payload it is valid until the verdict.
func (p Packet) LinkHeader() []byte {
	if p.has&wire.HasLinkHeader == 0 {
		return nil
	}
	return p.beside().link
}

// SecurityContext returns the security label of the local socket the packet
// came from, or "". It requires Config.SecurityContext. Call it before the
// verdict; the string stays valid afterwards.
func (p Packet) SecurityContext() string {
	if p.has&wire.HasSecCtx == 0 {
		return ""
	}
	return string(bytes.TrimRight(p.beside().secctx, "\x00"))
}

// beside returns what the packet's message had beside the payload.
func (p *Packet) beside() aside {
	if a, ok := p.slot.Memo.(*aside); ok {
		return *a
	}
	return aside{}
}

// Age returns how long ago the packet was read from the kernel's queue, with
// Config.TrackAge or Config.Deadline, else 0. It is 0 after the verdict too.
func (p Packet) Age() time.Duration {
	if p.slot == nil {
		return 0
	}
	return p.slot.Age(p.seq)
}

// Queue returns the queue that the packet came from, nil for the zero Packet.
func (p Packet) Queue() *Queue {
	if p.slot == nil {
		return nil
	}
	return p.slot.Owner().(*Queue)
}

// Clone returns a copy of Payload that stays valid after the verdict.
func (p Packet) Clone() []byte { return bytes.Clone(p.Payload) }

// Flow reads the packet's protocol, addresses and ports from Payload, so it
// must be asked for before the verdict. It allocates nothing.
func (p Packet) Flow() Flow {
	var h ip.Headers
	b := p.headers(&h)
	source, destination := ports(&h, b)
	switch h.Version {
	case 4:
		return Flow{h.Protocol,
			netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[12:])), source),
			netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[16:])), destination)}
	case 6:
		return Flow{h.Protocol,
			netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:])), source),
			netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[24:])), destination)}
	}
	return Flow{}
}

// Transport returns the packet's transport protocol, as in Flow, and the part
// of Payload that starts at the transport header and ends where the IP header
// says, or where the copy does. That part is nil if the packet is not IP, in
// all fragments of a packet but the first, and where the copy ends before it.
// Like Payload it is valid until the verdict.
func (p Packet) Transport() (protocol uint8, segment []byte) {
	var h ip.Headers
	b := p.headers(&h)
	return h.Protocol, transport(&h, b)
}

// Data returns the data that the packet's transport carries: what follows the
// header of UDP, UDP-Lite, TCP, DCCP, SCTP, ICMP or ICMPv6, up to the end of the
// packet or of its copy. Bytes behind the end that a UDP or an IP header gives
// are not part of it.
//
// Data is empty for a packet that carries nothing, and nil if there is no such
// header to be seen: in other protocols, in all fragments of a packet but the
// first, and where the copy ends within the header. Like Payload, of which it
// is a part, it is valid until the verdict. It allocates nothing.
func (p Packet) Data() []byte {
	var h ip.Headers
	b := p.headers(&h)
	at, end := dataOf(&h, b)
	if at == 0 {
		return nil
	}
	return b[at:end:end]
}

// IPv4 decodes the packet's IPv4 header, which must be done before the verdict.
// The result shares no memory with Payload. It allocates: Flow is for where
// that matters. A total length of 0, which super-packets have that are too long
// for the field, is decoded as the length of the packet. The error matches
// ErrInvalid if the packet is of another IP version, else it is that of
// ipv4.ParseHeader about a header that is cut.
func (p Packet) IPv4() (*ipv4.Header, error) {
	if err := p.isIP(4); err != nil {
		return nil, err
	}
	h, err := ipv4.ParseHeader(p.Payload)
	if err != nil {
		return nil, err
	}
	// ParseHeader takes two fields for what a raw socket of this system has.
	fragment := binary.BigEndian.Uint16(p.Payload[6:])
	h.TotalLen = p.wholeLen()
	h.Flags, h.FragOff = ipv4.HeaderFlags(fragment>>13), int(fragment&0x1fff)
	return h, nil
}

// IPv6 decodes the packet's IPv6 header without extension headers, like IPv4.
func (p Packet) IPv6() (*ipv6.Header, error) {
	if err := p.isIP(6); err != nil {
		return nil, err
	}
	h, err := ipv6.ParseHeader(p.Payload)
	if err != nil {
		return nil, err
	}
	h.PayloadLen = p.wholeLen() - ipv6.HeaderLen
	return h, nil
}

// Conntrack decodes the packet's connection tracking entry, with
// Config.Conntrack; ok is false if there is none, as in a chain before conntrack
// (the raw table) or for an untracked packet. It must be asked for before the
// verdict. The result shares no memory with the packet; nothing is allocated
// unless the connection has a helper.
func (p Packet) Conntrack() (c Conntrack, ok bool) {
	var w wire.Conntrack
	if !p.entry(&w) {
		return Conntrack{}, false
	}
	c = Conntrack{
		Original: tupleOf(&w.Original), Reply: tupleOf(&w.Reply),
		Status: CTStatus(w.Status), Mark: w.Mark, ID: w.ID,
		Timeout: time.Duration(w.Timeout) * time.Second,
		Zone:    w.Zone, Labels: CTLabels(w.Labels), Helper: string(w.Helper),
	}
	if p.has&wire.HasCTInfo != 0 {
		c.State, c.InReply = ctState(wire.CTInfo(p.ctInfo))
	}
	return c, true
}

// String shows the packet in a line, like
//
//	#12 Output lo: TCP 127.0.0.1:40000 > 127.0.0.1:80 SYN, 60 bytes, mark 0x1
//
// It reads Payload, so it must be called before the verdict. It is for people:
// it allocates, looks interface names up, and may change.
func (p Packet) String() string {
	if p.slot == nil {
		return "no packet"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "#%s %v", idText(&p), p.Hook)
	if devices := join(" > ", p.In().String(), p.Out().String()); devices != "" {
		b.WriteString(" " + devices)
	}
	b.WriteString(": " + join(" ", about(&p), detail(&p)))
	if p.Length > 0 {
		fmt.Fprintf(&b, ", %d bytes", p.Length)
	}
	if p.Truncated() {
		fmt.Fprintf(&b, " (%d copied)", len(p.Payload))
	}
	if p.GSO() {
		b.WriteString(", GSO")
	}
	if p.Mark != 0 {
		fmt.Fprintf(&b, ", mark %#x", p.Mark)
	}
	return b.String()
}

// headers reads the packet's headers into h, which is zero. It returns the
// packet without what follows its end, as far as the copy goes.
func (p *Packet) headers(h *ip.Headers) []byte {
	if p.ipVersion() == 0 {
		return nil
	}
	n, _ := ip.Length(p.Payload)
	b := p.Payload[:min(n, len(p.Payload))]
	h.Parse(b)
	return b
}

// ipVersion is what the first byte of Payload says, 0 if the packet is not IP.
func (p *Packet) ipVersion() int {
	if len(p.Payload) == 0 {
		return 0
	}
	v := int(p.Payload[0] >> 4)
	if p.Family == Bridge && v != p.version() {
		return 0
	}
	return v
}

// version is the IP version of the packet, 0 if it is no IP packet.
func (p *Packet) version() int {
	switch {
	case p.Family == IPv4, p.Family == Bridge && p.HWProtocol == 0x0800:
		return 4
	case p.Family == IPv6, p.Family == Bridge && p.HWProtocol == 0x86dd:
		return 6
	}
	return 0
}

// wholeLen is the length that the IP header gives the packet, of which it shows
// the fixed part. A field of 0 means as long as the packet.
func (p *Packet) wholeLen() int {
	n, _ := ip.Length(p.Payload)
	switch field := int(lengthField(p.Payload)); {
	case field == 0:
		return max(n, int(p.Length))
	case p.Payload[0]>>4 == 4:
		return field
	}
	return n
}

func (p *Packet) isIP(version int) error {
	if is := p.ipVersion(); is != version {
		return fmt.Errorf("%w: a packet of IP version %d, not %d", ErrInvalid, is, version)
	}
	return nil
}

// entry decodes the packet's entry. It returns false if there is none.
func (p *Packet) entry(w *wire.Conntrack) bool {
	return p.has&wire.HasConntrack != 0 && w.Parse(p.beside().conntrack) == nil
}

// An aside is what a slot keeps of a packet beside the payload.
type aside struct {
	link, secctx, conntrack []byte
	packet                  *Packet // nil without Config.OnExpired
}

// remember keeps what Config.OnExpired is called with: the packet as it is
// after its verdict, without a payload.
func (a *aside) remember(p *Packet, spent *ledger.Slot) {
	if a.packet == nil {
		a.packet = new(Packet)
	}
	*a.packet = *p
	a.packet.Payload, a.packet.slot, a.packet.seq = nil, spent, 0
}
