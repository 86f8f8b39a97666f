package queuetest

import (
	"bytes"
	"net"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue"
)

// A Packet is a packet that meets the firewall rule, with what the kernel knows
// of it. UDP, TCP, EchoRequest, EchoReply and IP make one, whose other fields
// may then be set; the zero value of each means that there is no such thing.
// The names are those of queue.Packet where it has them.
type Packet struct {
	// Payload is the packet from its IP header on. Its version decides the
	// family.
	Payload []byte

	// Number is the queue that the rule sends the packet to; 0 means
	// Options.Number. A kernel with ip_queue does not look at it.
	Number uint16
	// Bypass is the rule's option: the packet passes while nobody has opened
	// the queue. Send then does not wait for that.
	Bypass bool
	// PassMark, if not 0, is a mark by which the rule knows packets that it
	// lets pass. A program that uses queue.Repeat needs one: otherwise the
	// packet is queued again and again.
	PassMark uint32

	// Hook is where the packet meets the rule.
	Hook queue.Hook
	// Mark is the packet's firewall mark, Priority its queueing priority, of
	// which ip_queue does not tell.
	Mark, Priority uint32
	// In and Out are names of interfaces. They have index numbers in the order
	// of their first use, with "lo" for 1.
	In, Out string
	// HardwareAddr is the sender's link address, at most 8 bytes.
	HardwareAddr net.HardwareAddr
	// Time is when the packet was received, in microseconds. nfnetlink_queue
	// tells it at Prerouting, Input and Forward.
	Time time.Time

	// Owner is the owner of the local socket, for Config.Owner.
	Owner *Owner
	// SecurityContext is the label of the local socket, for
	// Config.SecurityContext.
	SecurityContext string
	// Conntrack is the connection tracking entry, for Config.Conntrack. A State
	// of 0 is CTNew. Each packet has an entry of its own: for the next one of the
	// connection take that of Outcome.Packet, which has what a verdict changed.
	Conntrack *queue.Conntrack

	// GSO, if not 0, makes the packet one of TCP or UDP that is to be cut into
	// segments with that many bytes of data each. It is cut before it is queued
	// with Config.NoGSO and with ip_queue: see Outcome.Segments.
	GSO int
	// ChecksumNotReady leaves the transport checksum to the network device, as
	// is usual at Output: what Payload has there means nothing.
	ChecksumNotReady bool
}

// An Owner is user and group of a socket.
type Owner struct{ UID, GID uint32 }

// String names the protocol, the end points and the length.
func (p Packet) String() string { return describe(p.Payload) }

// clone returns a packet that shares no memory with p that Send would keep.
func (p Packet) clone() Packet {
	p.Payload = bytes.Clone(p.Payload)
	p.HardwareAddr = bytes.Clone(p.HardwareAddr)
	if p.Conntrack != nil {
		entry := *p.Conntrack
		p.Conntrack = &entry
	}
	return p
}

// raw is the packet as the simulated kernel takes it.
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

// label is the security context as the kernel sends it: nil if there is none.
func label(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}
