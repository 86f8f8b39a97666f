package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
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

// A row is what is shown of a packet.
type row struct {
	id       uint64
	length   uint32
	protocol string
	from, to string
	says     string
}

// describe returns nothing that refers to the packet's payload.
func describe(p queue.Packet) row {
	d, ok := dissect(p.Payload)
	r := row{id: p.ID, length: p.Length, protocol: "?"}
	if !ok {
		return r
	}
	r.protocol, r.says = d.explain()
	r.from, r.to = d.endpoint(d.source, 0), d.endpoint(d.destination, 2)
	return r
}

// A datagram is an IP packet taken apart. data is what follows the IP header,
// as far as the packet's own length goes; nil in all fragments but the first.
type datagram struct {
	source, destination netip.Addr
	protocol            uint8
	data                []byte
}

// dissect takes IP packet b apart, as far as it goes without IPv6 extension
// headers. ok is false if the IP header is not all there.
func dissect(b []byte) (d datagram, ok bool) {
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		return dissect4(b)
	case len(b) >= 40 && b[0]>>4 == 6:
		return dissect6(b), true
	}
	return datagram{}, false
}

func dissect4(b []byte) (d datagram, ok bool) {
	header := int(b[0]&0xf) * 4
	b = b[:min(len(b), int(binary.BigEndian.Uint16(b[2:])))]
	if header < 20 || header > len(b) {
		return datagram{}, false
	}
	d = datagram{
		source:      netip.AddrFrom4([4]byte(b[12:])),
		destination: netip.AddrFrom4([4]byte(b[16:])),
		protocol:    b[9],
	}
	if offset := binary.BigEndian.Uint16(b[6:]) & 0x1fff; offset == 0 {
		d.data = b[header:]
	}
	return d, true
}

func dissect6(b []byte) datagram {
	const header = 40
	end := header + int(binary.BigEndian.Uint16(b[4:]))
	return datagram{
		source:      netip.AddrFrom16([16]byte(b[8:])),
		destination: netip.AddrFrom16([16]byte(b[24:])),
		protocol:    b[6],
		data:        b[header:min(len(b), end)],
	}
}

// endpoint is an address with the port at that offset of the data, if the
// protocol has ports.
func (d datagram) endpoint(a netip.Addr, offset int) string {
	if d.protocol != protoTCP && d.protocol != protoUDP || len(d.data) < 4 {
		return a.String()
	}
	return netip.AddrPortFrom(a, binary.BigEndian.Uint16(d.data[offset:])).String()
}

// explain names the protocol and says what the packet is about.
func (d datagram) explain() (protocol, says string) {
	switch d.protocol {
	case protoUDP:
		return "UDP", quote(d.data, udpHeader)
	case protoTCP:
		return "TCP", explainTCP(d.data)
	case protoICMP:
		return "ICMP", explainICMP(d.data, 8, 0)
	case protoICMPv6:
		return "ICMPv6", explainICMP(d.data, 128, 129)
	}
	return fmt.Sprintf("IP %d", d.protocol), ""
}

// quote shows the beginning of the text behind a header.
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

// udpData is what an unfragmented UDP packet carries, nil for other packets.
func udpData(b []byte) []byte {
	d, ok := dissect(b)
	if !ok || d.protocol != protoUDP || len(d.data) < udpHeader {
		return nil
	}
	return d.data[udpHeader:]
}

// withUDPData returns a copy of UDP packet b that carries text instead. The
// lengths and checksums in its headers are still those of b: Replace repairs
// them.
func withUDPData(b []byte, text string) []byte {
	headers := b[:len(b)-len(udpData(b))]
	return slices.Concat(headers, []byte(text))
}
