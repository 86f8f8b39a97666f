package kerneltest

import (
	"bytes"
	"time"
)

// A Family is the protocol family of the hook at which a packet is queued
// (include/uapi/linux/netfilter.h, NFPROTO_*).
type Family uint8

// Families of packets.
const (
	IPv4   Family = 2
	ARP    Family = 3
	Bridge Family = 7
	IPv6   Family = 10
)

// A Hook is the place in the stack where a packet is queued (NF_INET_*).
type Hook uint8

// Hooks.
const (
	PreRouting Hook = iota
	LocalIn
	Forward
	LocalOut
	PostRouting
)

// A Packet is a packet that reaches a rule which queues it, together with the
// metadata that the kernel has. A zero field means that the packet lacks that
// property, unless stated otherwise.
type Packet struct {
	// Family 0 means IPv4.
	Family Family
	Hook   Hook

	// Queue is the rule's queue number. Bypass lets the packet pass if no
	// socket has bound that queue. The rule does not queue packets with the
	// mark PassMark, unless it is 0: after NF_REPEAT, a packet reaches the rule
	// again.
	Queue    uint16
	Bypass   bool
	PassMark uint32

	Mark     uint32
	Priority uint32 // nfnetlink_queue

	// PhysIn and PhysOut are the bridge ports; in family Bridge the bridges
	// are In and Out (nfnetlink_queue).
	In, Out, PhysIn, PhysOut Device

	// Protocol is the EtherType. ip_queue reports it unchanged; 0 is usual at
	// LocalOut. nfnetlink_queue always reports the right value for IPv4 and IPv6.
	Protocol uint16

	// HWAddr is the link-layer source address, at most 8 bytes, and HWType the
	// ARPHRD number of its kind (ip_queue). nfnetlink_queue leaves out a nil
	// HWAddr.
	HWType uint16
	HWAddr []byte

	// Time is the time of reception, if it was recorded.
	Time time.Time

	// Payload is the packet from its network header.
	Payload []byte

	// GSO, if not 0, makes this a large packet of segments with GSO bytes each
	// after the transport header. Only plain TCP and UDP can be split.
	GSO int

	Checksum Checksum

	// The following fields are for nfnetlink_queue only.

	// Owner is the owner of the local socket, SecurityContext its label.
	Owner           *Owner
	SecurityContext []byte

	// Conntrack is the connection tracking entry, which packets of one
	// connection share, and ConntrackInfo the packet's NFQA_CT_INFO.
	Conntrack     *Conntrack
	ConntrackInfo uint32

	// VLAN and LinkHeader are of family Bridge.
	VLAN       *VLAN
	LinkHeader []byte

	// ClassID is the net_cls number of the cgroup.
	ClassID uint32
}

// A Device is a network interface. The zero value means no interface.
// nfnetlink_queue reports Index, ip_queue Name.
type Device struct {
	Index uint32
	Name  string
}

// An Owner is user and group of a socket.
type Owner struct{ UID, GID uint32 }

// A VLAN is an 802.1Q tag.
type VLAN struct{ Protocol, TCI uint16 }

// A Checksum is the state of a packet's transport checksum.
type Checksum uint8

// The states of a checksum.
const (
	Complete   Checksum = iota // complete
	Partial                    // to be computed by the device (CHECKSUM_PARTIAL)
	Unverified                 // complete, but not verified yet
)

// The verdicts (include/uapi/linux/netfilter.h). The queue of NF_QUEUE is in
// the upper 16 bits.
const (
	verdictDrop   = 0
	verdictAccept = 1
	verdictStolen = 2
	verdictQueue  = 3
	verdictRepeat = 4
	verdictStop   = 5

	verdictMask   = 0xff   // NF_VERDICT_MASK
	verdictBypass = 0x8000 // NF_VERDICT_FLAG_QUEUE_BYPASS
)

func verdictQueueNumber(word uint32) uint16 { return uint16(word >> 16) }

// rule returns the verdict of the rule on the packet.
func (p *Packet) rule() uint32 {
	if p.PassMark != 0 && p.Mark == p.PassMark {
		return verdictAccept
	}
	word := uint32(p.Queue)<<16 | verdictQueue
	if p.Bypass {
		word |= verdictBypass
	}
	return word
}

// clone returns a packet with its own copies of payload and link header. The kernel
// never changes the other slices.
func (p Packet) clone() Packet {
	p.Payload = bytes.Clone(p.Payload)
	p.LinkHeader = bytes.Clone(p.LinkHeader)
	return p
}

// uses reports whether the packet arrived on d or is to leave through it.
func (p *Packet) uses(d Device) bool {
	return d != Device{} && (d == p.In || d == p.Out || d == p.PhysIn || d == p.PhysOut)
}

// replace replaces the payload, as the kernel does for a verdict that it accepts.
// From then on the kernel neither completes nor trusts the checksum.
func (p *Packet) replace(payload []byte) {
	p.Payload = bytes.Clone(payload)
	p.Checksum = Complete
}
