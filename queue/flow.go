package queue

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// A Flow is what tells a packet's conversation from others: its transport
// protocol and its two ends. Flows can be compared and used as keys of a map.
// The zero Flow is that of a packet that is not IP or shows no whole header,
// IPv4 options aside.
type Flow struct {
	// Protocol is the number that IANA gave the transport protocol: 1 for
	// ICMP, 6 for TCP, 17 for UDP, 58 for ICMPv6. IPv6 extension headers are
	// skipped.
	Protocol uint8
	// Source and Destination are the packet's. Ports are 0 where the protocol
	// has none, and in all fragments of a packet but the first.
	Source, Destination netip.AddrPort
}

// Reverse is the flow of the answers.
func (f Flow) Reverse() Flow {
	f.Source, f.Destination = f.Destination, f.Source
	return f
}

// String shows the flow as in UDP 192.0.2.1:1234 > 192.0.2.2:53.
func (f Flow) String() string {
	if !f.Source.IsValid() {
		return "no IP"
	}
	return protocolName(f.Protocol) + " " + endpoint(f.Source) + " > " + endpoint(f.Destination)
}

// endpoint leaves out a port of 0.
func endpoint(a netip.AddrPort) string {
	if a.Port() == 0 {
		return a.Addr().String()
	}
	return a.String()
}

// IANA's protocol numbers, and those of IPv6 extension headers.
const (
	protoHopByHop    = 0
	protoICMP        = 1
	protoIGMP        = 2
	protoTCP         = 6
	protoUDP         = 17
	protoDCCP        = 33
	protoRouting     = 43
	protoFragment    = 44
	protoGRE         = 47
	protoESP         = 50
	protoAH          = 51
	protoICMPv6      = 58
	protoDestination = 60
	protoSCTP        = 132
	protoUDPLite     = 136
)

func protocolName(protocol uint8) string {
	switch protocol {
	case protoICMP:
		return "ICMP"
	case protoIGMP:
		return "IGMP"
	case protoTCP:
		return "TCP"
	case protoUDP:
		return "UDP"
	case protoDCCP:
		return "DCCP"
	case protoGRE:
		return "GRE"
	case protoESP:
		return "ESP"
	case protoICMPv6:
		return "ICMPv6"
	case protoSCTP:
		return "SCTP"
	case protoUDPLite:
		return "UDP-Lite"
	}
	return fmt.Sprintf("protocol %d", protocol)
}

// Flow reads the packet's protocol, addresses and ports from Payload, so it
// must be asked for before the verdict. It allocates nothing.
func (p Packet) Flow() Flow {
	d := p.dissect()
	if !d.source.IsValid() {
		return Flow{}
	}
	source, destination := d.ports()
	return Flow{d.protocol, netip.AddrPortFrom(d.source, source), netip.AddrPortFrom(d.destination, destination)}
}

// Transport returns the packet's transport protocol, as in Flow, and the part
// of Payload that starts at the transport header and ends where the IP header
// says, or where the copy does. That part is nil if the packet is not IP, in
// all fragments of a packet but the first, and where the copy ends before it.
// Like Payload it is valid until the verdict.
func (p Packet) Transport() (protocol uint8, segment []byte) {
	d := p.dissect()
	return d.protocol, d.transport
}

// A datagram is an IP packet taken apart, as far as its copy goes.
type datagram struct {
	source, destination netip.Addr // invalid if it is no IP packet
	protocol            uint8
	transport           []byte
}

func (p *Packet) dissect() (d datagram) {
	switch p.ipVersion() {
	case 4:
		d.dissect4(p.Payload)
	case 6:
		d.dissect6(p.Payload)
	}
	return d
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

func (d *datagram) dissect4(b []byte) {
	const least = 20
	header := int(b[0]&0xf) * 4
	if len(b) < least || header < least {
		return
	}
	d.source, d.destination = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
	d.protocol = b[9]
	end := int(binary.BigEndian.Uint16(b[2:]))
	if offset := binary.BigEndian.Uint16(b[6:]) & 0x1fff; offset == 0 {
		d.transport = between(b, header, end)
	}
}

func (d *datagram) dissect6(b []byte) {
	const header = 40
	if len(b) < header {
		return
	}
	d.source, d.destination = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
	d.protocol = b[6]
	end := header + int(binary.BigEndian.Uint16(b[4:]))
	if end == header { // a jumbogram, or a super-packet too long for the field
		end = len(b)
	}
	d.transport = between(b, header, end)
	for d.skipExtension() {
	}
}

// skipExtension moves on to what follows the IPv6 extension header that
// transport begins with. It returns false if there is none.
func (d *datagram) skipExtension() bool {
	b := d.transport
	if len(b) < 8 {
		return false
	}
	n := 0
	switch d.protocol {
	case protoHopByHop, protoRouting, protoDestination: // RFC 8200, section 4
		n = 8 + int(b[1])*8
	case protoAH: // RFC 4302, section 2.2
		n = 8 + int(b[1])*4
	case protoFragment:
		n = 8
		if binary.BigEndian.Uint16(b[2:])&^7 != 0 { // not the first
			n = len(b)
		}
	default:
		return false
	}
	d.protocol, d.transport = b[0], between(b, n, len(b))
	return d.transport != nil
}

// between is b[from:to] as far as it exists, nil if that is nothing.
func between(b []byte, from, to int) []byte {
	to = min(to, len(b))
	if from >= to {
		return nil
	}
	return b[from:to]
}

// ports are 0 where there are none.
func (d *datagram) ports() (source, destination uint16) {
	switch d.protocol {
	case protoTCP, protoUDP, protoDCCP, protoSCTP, protoUDPLite:
		if len(d.transport) >= 4 {
			return binary.BigEndian.Uint16(d.transport), binary.BigEndian.Uint16(d.transport[2:])
		}
	}
	return 0, 0
}
