package queue

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/ipqueue/ipqueue/internal/ip"
)

// A Flow identifies a packet's conversation: its transport protocol and its two
// ends. Flows can be compared and used as keys of a map.
// The zero Flow is that of a packet that is not IP or shows no whole header,
// IPv4 options aside.
type Flow struct {
	// Protocol is the number that IANA gave the transport protocol: 1 for
	// ICMP, 6 for TCP, 17 for UDP, 58 for ICMPv6. IPv6 extension headers and
	// the authentication header are skipped; where the copy ends among them,
	// it is the last number that could be read.
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

// IANA's protocol numbers.
const (
	protoICMP    = 1
	protoIGMP    = 2
	protoTCP     = 6
	protoUDP     = 17
	protoDCCP    = 33
	protoGRE     = 47
	protoESP     = 50
	protoICMPv6  = 58
	protoSCTP    = 132
	protoUDPLite = 136
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

// ports are 0 where there are none.
func ports(h *ip.Headers, b []byte) (source, destination uint16) {
	switch h.Protocol {
	case protoTCP, protoUDP, protoDCCP, protoSCTP, protoUDPLite:
		if segment := transport(h, b); len(segment) >= 4 {
			return binary.BigEndian.Uint16(segment), binary.BigEndian.Uint16(segment[2:])
		}
	}
	return 0, 0
}

// transport returns the part of b behind its headers, nil if there is none.
func transport(h *ip.Headers, b []byte) []byte {
	if h.Transport == 0 || h.Transport == len(b) {
		return nil
	}
	return b[h.Transport:]
}
