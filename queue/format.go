package queue

import (
	"fmt"
	"strings"
)

// idText formats the id: as a number, or for ip_queue as an address.
func idText(p *Packet) string {
	if q := p.Queue(); q != nil && q.Backend() == IPQueue {
		return fmt.Sprintf("%#x", p.ID)
	}
	return fmt.Sprint(p.ID)
}

// join joins the parts that are not empty.
func join(separator string, parts ...string) string {
	var said []string
	for _, part := range parts {
		if part != "" {
			said = append(said, part)
		}
	}
	return strings.Join(said, separator)
}

// A parts is a list of parts of a text.
type parts []string

// add adds a part if show is set.
func (p *parts) add(show bool, format string, values ...any) {
	if show {
		*p = append(*p, fmt.Sprintf(format, values...))
	}
}

// about returns the packet's flow or, if it is not IP, its protocol.
func about(p *Packet) string {
	if f := p.Flow(); f != (Flow{}) {
		return f.String()
	}
	return fmt.Sprintf("protocol %#04x", p.HWProtocol)
}

// detail returns what distinguishes packets of the same flow.
func detail(p *Packet) string {
	protocol, b := p.Transport()
	switch {
	case len(b) == 0:
		return ""
	case protocol == protoTCP && len(b) > 13:
		return tcpFlags(b[13])
	case protocol == protoICMP:
		return icmpType(b[0], 8, 0)
	case protocol == protoICMPv6:
		return icmpType(b[0], 128, 129)
	}
	return ""
}

// tcpFlags returns the names of the flags (RFC 9293, section 3.1), starting
// with the lowest bit.
func tcpFlags(flags byte) string {
	var said []string
	for i, flag := range []string{"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"} {
		if flags&(1<<i) != 0 {
			said = append(said, flag)
		}
	}
	return strings.Join(said, " ")
}

func icmpType(t, request, reply byte) string {
	switch t {
	case request:
		return "echo request"
	case reply:
		return "echo reply"
	}
	return fmt.Sprintf("type %d", t)
}
