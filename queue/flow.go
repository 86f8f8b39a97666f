package queue

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/ipqueue/ipqueue/internal/ip"
)

// A Flow identifies the conversation that a packet belongs to: its transport
// protocol and both ends. Flows can be compared with == and used as map keys.
// The Flow of a packet is the zero Flow if the packet is not IP, or if Payload
// does not contain the fixed part of its IP header.
type Flow struct {
	// Protocol is the IANA number of the transport protocol: 1 for ICMP, 6 for
	// TCP, 17 for UDP, 58 for ICMPv6. IPv6 extension headers and the
	// authentication header are skipped. If the copy ends inside them, Protocol
	// is the last number that it contains.
	Protocol uint8
	// Source and Destination are the addresses in the IP header and the ports.
	// The ports are 0 if the protocol has none, if Payload ends before them,
	// and in fragments other than the first.
	Source, Destination netip.AddrPort
}

// Reverse returns the flow of the replies: f with Source and Destination
// exchanged.
func (f Flow) Reverse() Flow {
	f.Source, f.Destination = f.Destination, f.Source
	return f
}

// String returns, for example, "UDP 192.0.2.1:1234 > 192.0.2.2:53".
func (f Flow) String() string {
	if !f.Source.IsValid() {
		return "no IP"
	}
	return protocolName(f.Protocol) + " " + endpoint(f.Source) + " > " + endpoint(f.Destination)
}

// endpoint formats a without a port of 0.
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

// ports returns the ports of the packet, 0 if it has none.
func ports(h *ip.Headers, b []byte) (source, destination uint16) {
	switch h.Protocol {
	case protoTCP, protoUDP, protoDCCP, protoSCTP, protoUDPLite:
		if segment := transport(h, b); len(segment) >= 4 {
			return binary.BigEndian.Uint16(segment), binary.BigEndian.Uint16(segment[2:])
		}
	}
	return 0, 0
}

// transport returns the part of b after its IP headers, nil if there is none.
func transport(h *ip.Headers, b []byte) []byte {
	if h.Transport == 0 || h.Transport == len(b) {
		return nil
	}
	return b[h.Transport:]
}
