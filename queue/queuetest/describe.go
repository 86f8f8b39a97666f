package queuetest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
)

// describe tells in a few words what packet b is.
func describe(b []byte) string {
	return fmt.Sprintf("%s, %d bytes", headline(b), len(b))
}

// headline takes the headers of b apart as far as it goes without IPv6
// extension headers.
func headline(b []byte) string {
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		body := b[min(len(b), int(b[0]&0xf)*4):]
		return flow(b[9], netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:])), body)
	case len(b) >= 40 && b[0]>>4 == 6:
		return flow(b[6], netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:])), b[40:])
	default:
		return "not IP"
	}
}

func flow(protocol uint8, src, dst netip.Addr, body []byte) string {
	name, ports := fmt.Sprintf("IP protocol %d", protocol), false
	switch protocol {
	case protoUDP:
		name, ports = "UDP", len(body) >= 8
	case protoTCP:
		name, ports = "TCP", len(body) >= 20
	case protoICMP:
		name = icmp(body, "ICMP", 8, 0)
	case protoICMPv6:
		name = icmp(body, "ICMPv6", 128, 129)
	}
	if !ports {
		return fmt.Sprintf("%s %v > %v", name, src, dst)
	}
	from := netip.AddrPortFrom(src, binary.BigEndian.Uint16(body))
	to := netip.AddrPortFrom(dst, binary.BigEndian.Uint16(body[2:]))
	if protocol == protoTCP {
		name += " " + TCPFlags(body[13]).String()
	}
	return fmt.Sprintf("%s %v > %v", strings.TrimSpace(name), from, to)
}

func icmp(body []byte, name string, request, reply byte) string {
	switch {
	case len(body) == 0:
		return name
	case body[0] == request:
		return name + " echo request"
	case body[0] == reply:
		return name + " echo reply"
	default:
		return fmt.Sprintf("%s type %d", name, body[0])
	}
}

// String lists the flags, "SYN|ACK".
func (f TCPFlags) String() string {
	var set []string
	for i, name := range []string{"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"} {
		if f&(1<<i) != 0 {
			set = append(set, name)
		}
	}
	return strings.Join(set, "|")
}

// difference shows the rows in which got and want differ, the first few of them.
func difference(got, want []byte) string {
	const rowSize, most = 16, 4
	var b strings.Builder
	fmt.Fprintf(&b, "\tgot  %s\n\twant %s", describe(got), describe(want))
	rows := 0
	for at := 0; at < max(len(got), len(want)); at += rowSize {
		g, w := row(got, at, rowSize), row(want, at, rowSize)
		if bytes.Equal(g, w) {
			continue
		}
		if rows++; rows > most {
			b.WriteString("\n\t...")
			break
		}
		fmt.Fprintf(&b, "\n\tgot  %04x  %s\n\twant %04x  %s", at, dump(g), at, dump(w))
	}
	return b.String()
}

// row is up to n bytes of b from there on.
func row(b []byte, from, n int) []byte {
	from = min(from, len(b))
	return b[from:min(len(b), from+n)]
}

// dump shows bytes in hexadecimal and as text.
func dump(b []byte) string {
	if len(b) == 0 {
		return "nothing"
	}
	text := bytes.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '.'
		}
		return r
	}, b)
	return fmt.Sprintf("%-47s  %s", fmt.Sprintf("% x", b), text)
}
