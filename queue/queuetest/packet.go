package queuetest

import (
	"bytes"
	"net"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue"
)

// A Packet is a packet that the test sends through the firewall rule, with the
// metadata that the kernel has. UDP, TCP, EchoRequest, EchoReply and IP create
// one; the test may then set other fields. A zero field means that the packet
// lacks that property. Fields have the same names as in queue.Packet.
type Packet struct {
	// Payload is the packet, starting at its IP header. The version in the
	// header determines the family.
	Payload []byte

	// Number is the queue that the rule sends the packet to. 0 means
	// Options.Number. A kernel with ip_queue ignores it.
	Number uint16
	// Bypass is the option "bypass" of the rule: the packet passes while no
	// program has opened the queue. Send then does not wait for the queue.
	Bypass bool
	// PassMark, if not 0, is a mark: the rule lets packets with that mark
	// pass. A program that uses queue.Repeat needs one. Otherwise the packet
	// is queued again and again.
	PassMark uint32

	// Hook is the hook of the rule.
	Hook queue.Hook
	// Mark is the firewall mark. Priority is the queueing priority; ip_queue
	// does not report it.
	Mark, Priority uint32
	// In and Out are interface names. The index of "lo" is 1; other names get
	// the next index when they are first used.
	In, Out string
	// HardwareAddr is the link-layer address of the sender, at most 8 bytes.
	HardwareAddr net.HardwareAddr
	// Time is the time of arrival, with a precision of microseconds.
	// nfnetlink_queue reports it at the hooks Prerouting, Input and Forward.
	Time time.Time

	// Owner is the owner of the local socket, for Config.Owner.
	Owner *Owner
	// SecurityContext is the security label of the packet, for
	// Config.SecurityContext.
	SecurityContext string
	// Conntrack is the connection tracking entry, for Config.Conntrack. A State
	// of 0 means CTNew. Packets do not share entries. To continue a connection,
	// use the Conntrack of the previous Outcome.Packet, which includes changes
	// made by verdicts.
	Conntrack *queue.Conntrack

	// GSO, if not 0, makes this a large TCP or UDP packet, to be split into
	// segments with GSO bytes of data each. With Config.NoGSO and with ip_queue
	// the kernel splits it before it queues the segments: see Outcome.Segments.
	GSO int
	// ChecksumNotReady means that the network device will compute the
	// transport checksum, as is usual at the hook Output. The checksum in
	// Payload is then meaningless.
	ChecksumNotReady bool
}

// An Owner is the user and group of a socket.
type Owner struct{ UID, GID uint32 }

// String returns the protocol, the end points and the length of the packet.
func (p Packet) String() string { return describe(p.Payload) }

// clone returns a copy of p that shares no slices and no connection tracking
// entry with it.
func (p Packet) clone() Packet {
	p.Payload = bytes.Clone(p.Payload)
	p.HardwareAddr = bytes.Clone(p.HardwareAddr)
	if p.Conntrack != nil {
		entry := *p.Conntrack
		p.Conntrack = &entry
	}
	return p
}

// raw converts p to the form that the simulated kernel uses.
func (k *Kernel) raw(p Packet) kerneltest.Packet {
	r := kerneltest.Packet{
		Family: kerneltest.IPv4, Protocol: 0x0800,
		Hook: kerneltest.Hook(p.Hook), Queue: p.Number, Bypass: p.Bypass, PassMark: p.PassMark,
		Mark: p.Mark, Priority: p.Priority,
		In: k.device(p.In), Out: k.device(p.Out),
		HWType: linkEthernet, HWAddr: p.HardwareAddr, Time: p.Time,
		Payload: p.Payload, GSO: p.GSO,
		Owner: (*kerneltest.Owner)(p.Owner), SecurityContext: label(p.SecurityContext),
	}
	if p.Conntrack != nil {
		r.Conntrack, r.ConntrackInfo = rawConntrack(p.Conntrack), conntrackInfo(p.Conntrack)
	}
	if len(p.Payload) > 0 && p.Payload[0]>>4 == 6 {
		r.Family, r.Protocol = kerneltest.IPv6, 0x86dd
	}
	if p.ChecksumNotReady {
		r.Checksum = kerneltest.Partial
	}
	return r
}

const linkEthernet = 1 // ARPHRD_ETHER

// label returns a security context as the kernel sends it, or nil for none.
func label(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}
