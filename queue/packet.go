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

// A Packet is one packet that waits in the kernel for its verdict. It is a
// small value, made to be copied. All copies stand for the same packet, which
// needs exactly one verdict. Any goroutine may give it at any time, and packets
// may be decided in any order.
//
// The methods that return parts of the packet read memory that the queue reuses
// after the verdict, so call them before the verdict. Apart from that, the
// methods may be called from several goroutines at once.
//
// The zero Packet is safe to use: its verdicts return ErrClosed.
type Packet struct {
	// Payload is the packet as the kernel copied it, starting at its IP header.
	// In mode MetaOnly it is empty. It belongs to the queue, and is valid until
	// the program gives the verdict: then the queue reuses its memory. Clone
	// returns a copy. If Config.Deadline or the end of the queue decides the
	// packet, Payload stays valid. Changing Payload has no effect unless it is
	// passed to Replace. In programs built with the race detector, Payload is
	// overwritten with 0xdb bytes after the verdict.
	Payload []byte

	slot *ledger.Slot
	seq  uint64

	// ID is the kernel's id of the packet. nfnetlink_queue numbers the packets
	// of each queue consecutively, with numbers that wrap at 32 bits. For
	// ip_queue it is an address that the kernel uses again.
	ID uint64

	micros int64 // receive time in microseconds since 1970, 0 if unknown

	// Mark is the firewall mark.
	Mark uint32

	// Length is the length of the whole packet in bytes; Payload may be
	// shorter. In mode MetaOnly it is 0 (unknown). With ip_queue it is the
	// length in the IP header, if Payload contains that.
	Length uint32

	in, out, physIn, physOut uint32 // interface index, or for ip_queue a number of devices

	// Priority is the queueing priority of the packet (Linux 5.18; 0 before).
	Priority uint32
	// ClassID is the net_cls class of the sender's cgroup (Linux 6.4; 0
	// before).
	ClassID uint32

	uid, gid uint32
	has      wire.NFQFields

	// HWProtocol is the EtherType: 0x0800 for IPv4, 0x86dd for IPv6. With
	// ip_queue it is 0 at HookOutput, where the kernel has not set it yet.
	HWProtocol uint16
	// HWType is the link type of the input device (an ARPHRD number, 1 for
	// Ethernet). Only ip_queue reports it; otherwise it is 0.
	HWType uint16

	vlan   VLAN
	hwAddr [8]byte
	hwLen  uint8

	// Hook is the place in the network stack where the packet was queued.
	Hook Hook
	// Family is the protocol family of that hook.
	Family Family

	skb    uint8
	ctInfo uint8
}

// A Hook is a place in the network stack where rules filter packets.
type Hook uint8

// The hooks, in the order in which a packet can pass them.
const (
	HookPrerouting  Hook = iota // received, before routing
	HookInput                   // addressed to this host
	HookForward                 // routed to another host
	HookOutput                  // sent by this host
	HookPostrouting             // about to leave, after routing
)

// String returns the name of the hook without "Hook".
func (h Hook) String() string {
	return name("Hook", uint8(h), "Prerouting", "Input", "Forward", "Output", "Postrouting")
}

// A VLAN is a VLAN tag.
type VLAN struct {
	Protocol uint16 // 0x8100 or 0x88a8
	TCI      uint16 // tag control information; the low 12 bits are the id
}

// ID returns the VLAN id, 0 to 4095.
func (v VLAN) ID() uint16 { return v.TCI & 0xfff }

// String returns the VLAN id and, if it is not 0, the priority.
func (v VLAN) String() string {
	if priority := v.TCI >> 13; priority != 0 {
		return fmt.Sprintf("%d priority %d", v.ID(), priority)
	}
	return fmt.Sprint(v.ID())
}

// Truncated reports whether Payload is known to be only the beginning of the
// packet.
func (p Packet) Truncated() bool { return int(p.Length) > len(p.Payload) }

// GSO reports whether the packet may be larger than the MTU because the kernel
// or the device splits it into segments later. With Config.NoGSO there are no
// such packets.
func (p Packet) GSO() bool { return wire.SKBInfo(p.skb)&wire.SKBGSO != 0 }

// ChecksumReady reports whether the transport checksum in Payload is final. If
// not, the kernel or the device completes it later, so it cannot be verified.
// Replace computes it.
func (p Packet) ChecksumReady() bool { return wire.SKBInfo(p.skb)&wire.SKBChecksumNotReady == 0 }

// ChecksumVerified reports whether the transport checksum is final and the
// kernel need not verify it: the device or the kernel has verified it, or this
// host sent the packet. The checksum may still be wrong in the second case, if
// a raw socket sent it.
func (p Packet) ChecksumVerified() bool {
	return wire.SKBInfo(p.skb)&(wire.SKBChecksumNotReady|wire.SKBChecksumNotVerified) == 0
}

// Time returns when the packet was received, or the zero Time if the kernel
// does not report it. Packets from this host have no such time. nfnetlink_queue
// reports it only while another program on the host has enabled receive time
// stamps.
func (p Packet) Time() time.Time {
	if p.micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(p.micros)
}

// In returns the interface on which the packet arrived. The result is the zero
// Device if there is none.
func (p Packet) In() Device { return p.device(p.in) }

// Out returns the interface through which the packet will leave. The result is
// the zero Device if there is none.
func (p Packet) Out() Device { return p.device(p.out) }

// PhysIn returns the port of a bridge on which the packet arrived. The result
// is the zero Device if there is none.
func (p Packet) PhysIn() Device { return p.device(p.physIn) }

// PhysOut returns the port of a bridge through which the packet will leave. The
// result is the zero Device if there is none.
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

// HardwareAddr returns a copy of the link-layer address of the sender, or nil
// if there is none.
func (p Packet) HardwareAddr() net.HardwareAddr {
	if p.hwLen == 0 {
		return nil
	}
	return bytes.Clone(p.hwAddr[:p.hwLen])
}

// UID returns the user that owns the local socket which sent the packet, as
// numbered in the initial user namespace. It requires Config.Owner. ok is false
// if no local socket sent the packet.
func (p Packet) UID() (uid uint32, ok bool) { return p.uid, p.has&wire.HasUID != 0 }

// GID returns the group that owns the local socket which sent the packet. It is
// otherwise like UID.
func (p Packet) GID() (gid uint32, ok bool) { return p.gid, p.has&wire.HasGID != 0 }

// VLAN returns the VLAN tag of the packet. Only packets of family Bridge can
// have one.
func (p Packet) VLAN() (tag VLAN, ok bool) { return p.vlan, p.has&wire.HasVLAN != 0 }

// LinkHeader returns the link-layer header of a packet of family Bridge, and
// nil in other families. Like Payload, it is valid until the verdict.
func (p Packet) LinkHeader() []byte {
	if p.has&wire.HasLinkHeader == 0 {
		return nil
	}
	return p.beside().link
}

// SecurityContext returns the security label of the packet, or "" if there is
// none. A packet has one if a local socket sent it, and an earlier rule set the
// label (SECMARK in iptables, "meta secmark set" in nftables). It requires
// Config.SecurityContext. Call it before the verdict; the result stays valid
// afterwards.
func (p Packet) SecurityContext() string {
	if p.has&wire.HasSecCtx == 0 {
		return ""
	}
	return string(bytes.TrimRight(p.beside().secctx, "\x00"))
}

// beside returns the metadata of the packet that is kept in its slot.
func (p *Packet) beside() aside {
	if a, ok := p.slot.Memo.(*aside); ok {
		return *a
	}
	return aside{}
}

// Age returns how long the packet has waited: with Config.Deadline, since the
// earliest time at which the kernel may have queued it (see there), and with
// Config.TrackAge alone, since the queue read it. Without either, and after the
// verdict, Age returns 0.
func (p Packet) Age() time.Duration {
	if p.slot == nil {
		return 0
	}
	return p.slot.Age(p.seq)
}

// Queue returns the queue of the packet, or nil for the zero Packet.
func (p Packet) Queue() *Queue {
	if p.slot == nil {
		return nil
	}
	return p.slot.Owner().(*Queue)
}

// Clone returns a copy of Payload, which stays valid after the verdict.
func (p Packet) Clone() []byte { return bytes.Clone(p.Payload) }

// Flow returns the protocol, addresses and ports of the packet, which it reads
// from Payload. Call it before the verdict. It does not allocate.
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

// Transport returns the transport protocol of the packet, as in Flow, and the
// part of Payload from the transport header to the end of the packet or of the
// copy. It returns a nil segment if the packet is not IP, if it is a fragment
// other than the first, and if Payload ends before the transport header. Like
// Payload, segment is valid until the verdict.
func (p Packet) Transport() (protocol uint8, segment []byte) {
	var h ip.Headers
	b := p.headers(&h)
	return h.Protocol, transport(&h, b)
}

// Data returns the part of Payload after the header of UDP, UDP-Lite, TCP,
// DCCP, SCTP, ICMP or ICMPv6, up to the end of the packet or of the copy. It
// leaves out bytes after the end that the UDP length or the IP length gives.
//
// Data returns an empty slice if the packet contains no data. It returns nil if
// there is no such header: for other protocols, for fragments other than the
// first, and if Payload ends inside the header. Like Payload, the result is
// valid until the verdict. Data does not allocate.
func (p Packet) Data() []byte {
	var h ip.Headers
	b := p.headers(&h)
	at, end := dataOf(&h, b)
	if at == 0 {
		return nil
	}
	return b[at:end:end]
}

// IPv4 decodes the IPv4 header of the packet. Call it before the verdict; the
// result stays valid afterwards. If the total length in the header is 0,
// because a GSO packet is too long for the field, TotalLen is the length of the
// packet. IPv4 allocates; Flow does not.
//
// The error matches ErrInvalid if the packet is not IPv4. If Payload ends
// inside the header, it is the error of ipv4.ParseHeader.
func (p Packet) IPv4() (*ipv4.Header, error) {
	if err := p.isIP(4); err != nil {
		return nil, err
	}
	h, err := ipv4.ParseHeader(p.Payload)
	if err != nil {
		return nil, err
	}
	// ParseHeader expects two fields in the byte order of a raw socket.
	fragment := binary.BigEndian.Uint16(p.Payload[6:])
	h.TotalLen = p.wholeLen()
	h.Flags, h.FragOff = ipv4.HeaderFlags(fragment>>13), int(fragment&0x1fff)
	return h, nil
}

// IPv6 decodes the IPv6 header of the packet, without extension headers. It is
// otherwise like IPv4.
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

// Conntrack decodes the connection tracking entry of the packet. It requires
// Config.Conntrack. ok is false if there is no entry, as in chains before
// conntrack (priority raw), for untracked packets, and where no rule needs
// connection tracking (see Config.Conntrack). Call Conntrack before the
// verdict; the result stays valid afterwards. It allocates only if the
// connection has a helper.
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

// String returns a summary of the packet in one line, for example
//
//	#12 Output lo: TCP 127.0.0.1:40000 > 127.0.0.1:80 SYN, 60 bytes, mark 0x1
//
// Call it before the verdict. It allocates and looks up interface names. The
// format may change.
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

// headers parses the packet's headers into h, which must be zero. It returns
// Payload up to the end of the packet.
func (p *Packet) headers(h *ip.Headers) []byte {
	if p.ipVersion() == 0 {
		return nil
	}
	n, _ := ip.Length(p.Payload)
	b := p.Payload[:min(n, len(p.Payload))]
	h.Parse(b)
	return b
}

// ipVersion returns the version in the first byte of Payload, 0 if the packet
// is not IP.
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

// version returns the IP version of the packet according to its family, 0 if it
// is not an IP packet.
func (p *Packet) version() int {
	switch {
	case p.Family == IPv4, p.Family == Bridge && p.HWProtocol == 0x0800:
		return 4
	case p.Family == IPv6, p.Family == Bridge && p.HWProtocol == 0x86dd:
		return 6
	}
	return 0
}

// wholeLen returns the length of the packet according to its IP header, whose
// fixed part Payload contains. A length field of 0 means the length of the
// packet.
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
	if p.ipVersion() != version {
		return fmt.Errorf("%w: the packet is not IPv%d", ErrInvalid, version)
	}
	return nil
}

// entry decodes the packet's conntrack entry. It returns false if there is
// none.
func (p *Packet) entry(w *wire.Conntrack) bool {
	return p.has&wire.HasConntrack != 0 && w.Parse(p.beside().conntrack) == nil
}

// An aside is the metadata of a packet that is kept in its slot, because Packet
// has no room for it.
type aside struct {
	link, secctx, conntrack []byte
	packet                  *Packet // nil without Config.OnExpired
}

// remember keeps the argument for Config.OnExpired: the packet after its
// verdict, without a payload.
func (a *aside) remember(p *Packet, spent *ledger.Slot) {
	if a.packet == nil {
		a.packet = new(Packet)
	}
	*a.packet = *p
	a.packet.Payload, a.packet.slot, a.packet.seq = nil, spent, 0
}
