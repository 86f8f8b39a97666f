package main

import (
	"github.com/ipqueue/ipqueue/checksum"
	"github.com/ipqueue/ipqueue/queue"
)

// A packet contains the parts of a queued packet that matter.
type packet struct {
	flow      queue.Flow
	hops      uint8  // how many routers may still forward it: TTL or hop limit
	transport []byte // from the TCP or UDP header on
	merged    bool   // it is yet to be cut into segments or datagrams
}

const protocolTCP, protocolUDP = 6, 17

// read returns what matters of a packet. It is not sound if the server need not
// take it: its checksum is wrong, it is a fragment, or something stands between
// the IP header and the transport that hosts and routers drop packets for (IPv4
// options, IPv6 extension headers).
func read(p queue.Packet) (v packet, sound bool) {
	v.flow, v.merged = p.Flow(), p.GSO()
	_, v.transport = p.Transport()
	if v.flow.Protocol != protocolTCP && v.flow.Protocol != protocolUDP {
		return v, true
	}
	plain := plainHeader(p.Payload, v.flow.Protocol) || v.merged && jumboHeader(p.Payload, v.flow.Protocol)
	return v, v.transport != nil && plain && v.readHops(p.Payload) && checked(p)
}

// readHops always reports true.
func (v *packet) readHops(ip []byte) bool {
	const version4 = 4
	if ip[0]>>4 == version4 {
		v.hops = ip[8]
	} else {
		v.hops = ip[7]
	}
	return true
}

// plainHeader reports whether the transport follows an IP header without
// options, in one piece.
func plainHeader(ip []byte, protocol uint8) bool {
	const version4, header4, header6 = 4, 20, 40
	if ip[0]>>4 != version4 {
		return len(ip) >= header6 && ip[6] == protocol
	}
	const more, offset = 0x20, 0x1f
	return len(ip) >= header4 && int(ip[0]&0xf)*4 == header4 && ip[6]&(more|offset) == 0 && ip[7] == 0
}

// jumboHeader reports whether the transport follows an IPv6 header with nothing
// but the option of a jumbogram, which the kernel gives to packets of more than
// 64 KiB until they are cut into segments.
func jumboHeader(ip []byte, protocol uint8) bool {
	const version6, header, hopByHop, jumbo, length = 6, 40, 0, 0xc2, 4
	return len(ip) >= header+8 && ip[0]>>4 == version6 && ip[6] == hopByHop &&
		[4]byte(ip[header:]) == [4]byte{protocol, 0, jumbo, length}
}

// checked reports whether the checksum is right, or is yet to be computed. The
// kernel vouches for nothing that a raw socket sent, so that
// Packet.ChecksumVerified is no help. A packet that will be cut gets its
// checksums then.
func checked(p queue.Packet) bool {
	if !p.ChecksumReady() || p.GSO() {
		return true
	}
	valid, err := checksum.Valid(p.Payload)
	return valid && err == nil
}
