package queuetest

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/ipqueue/ipqueue/queue"
)

// describe returns a short description of packet b for messages.
func describe(b []byte) string {
	p := queue.Packet{Payload: b}
	text := p.Flow().String()
	if d := detail(p); d != "" {
		text += " " + d
	}
	return fmt.Sprintf("%s, %d bytes", text, len(b))
}

// detail returns the part of a description that differs between packets of one
// flow: TCP flags or the ICMP type.
func detail(p queue.Packet) string {
	switch protocol, b := p.Transport(); {
	case protocol == protoTCP && len(b) > 13:
		return TCPFlags(b[13]).String()
	case protocol == protoICMP && len(b) > 0:
		return echoName(b[0], 8, 0)
	case protocol == protoICMPv6 && len(b) > 0:
		return echoName(b[0], 128, 129)
	default:
		return ""
	}
}

func echoName(kind, request, reply byte) string {
	switch kind {
	case request:
		return "echo request"
	case reply:
		return "echo reply"
	default:
		return fmt.Sprintf("type %d", kind)
	}
}

// String returns the names of the flags, for example "SYN ACK".
func (f TCPFlags) String() string {
	var set []string
	for i, name := range []string{"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"} {
		if f&(1<<i) != 0 {
			set = append(set, name)
		}
	}
	return strings.Join(set, " ")
}

// difference returns a dump of the first rows in which got and want differ.
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

// row returns up to n bytes of b, starting at offset from.
func row(b []byte, from, n int) []byte {
	from = min(from, len(b))
	return b[from:min(len(b), from+n)]
}

// dump returns b in hexadecimal and as text.
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
