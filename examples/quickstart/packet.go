package main

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/ipqueue/ipqueue/queue"
)

// IP protocol numbers.
const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
)

const udpHeader = 8

// A row contains what is shown about a packet.
type row struct {
	id       uint64
	length   uint32
	protocol string
	from, to string
	says     string
}

// describe returns the row of a packet. It keeps no reference to the payload.
func describe(p queue.Packet) row {
	f := p.Flow()
	r := row{id: p.ID, length: p.Length, protocol: "?"}
	if !f.Source.IsValid() {
		return r
	}
	r.protocol, r.says = explain(p.Transport())
	r.from, r.to = endpoint(f.Source), endpoint(f.Destination)
	return r
}

// endpoint formats an address, with its port if it has one.
func endpoint(a netip.AddrPort) string {
	if a.Port() == 0 {
		return a.Addr().String()
	}
	return a.String()
}

// explain returns the name of the protocol and a summary of the segment.
func explain(protocol uint8, segment []byte) (name, says string) {
	switch protocol {
	case protoUDP:
		return "UDP", quote(segment, udpHeader)
	case protoTCP:
		return "TCP", explainTCP(segment)
	case protoICMP:
		return "ICMP", explainICMP(segment, 8, 0)
	case protoICMPv6:
		return "ICMPv6", explainICMP(segment, 128, 129)
	}
	return fmt.Sprintf("IP %d", protocol), ""
}

// quote returns the beginning of the text after a header.
func quote(b []byte, header int) string {
	const most = 40
	if len(b) <= header {
		return ""
	}
	text := b[header:]
	if len(text) > most {
		return fmt.Sprintf("%q...", text[:most])
	}
	return fmt.Sprintf("%q", text)
}

// explainTCP lists the flags of RFC 9293, section 3.1, and quotes the text.
func explainTCP(b []byte) string {
	if len(b) < 20 {
		return ""
	}
	var words []string
	for i, flag := range []string{"FIN", "SYN", "RST", "PSH", "ACK"} {
		if b[13]&(1<<i) != 0 {
			words = append(words, flag)
		}
	}
	return strings.TrimSpace(strings.Join(words, " ") + " " + quote(b, int(b[12]>>4)*4))
}

func explainICMP(b []byte, request, reply uint8) string {
	switch {
	case len(b) == 0:
		return ""
	case b[0] == request:
		return "echo request"
	case b[0] == reply:
		return "echo reply"
	}
	return fmt.Sprintf("type %d", b[0])
}
