package main

import (
	"time"

	"github.com/ipqueue/ipqueue/examples/sniblock/internal/quic"
)

// judgeDatagram decides a UDP datagram. Only those that begin with a long
// header can open a QUIC connection, and no connection settles: a client may use
// the same two ports for the next one.
func (f *filter) judgeDatagram(v packet, now time.Time) outcome {
	b, ok := datagramData(v.transport)
	switch {
	case !ok:
		return outcome{decision: discard}
	case f.quic == passQUIC || !isQUIC(b):
		return outcome{decision: pass}
	case f.quic == dropQUIC:
		return outcome{decision: refuse}
	}
	o := outcome{decision: pass}
	for {
		p, rest, ok, err := quic.Next(b)
		switch {
		case o.decision == refuse:
			return o
		case err != nil || ok && p.Kind == quic.Retry: // which only servers send
			return outcome{decision: discard}
		case !ok:
			return o
		}
		if p.Kind == quic.Initial {
			o = f.initials.take(v.flow, p, now, func(h hello) string { return f.refuses(v.flow, h) })
			if o.decision == discard {
				return o
			}
		}
		b = rest
	}
}

// datagramData returns what a UDP datagram carries. What lies behind it in the
// IP packet is no part of it.
func datagramData(b []byte) (data []byte, ok bool) {
	const header = 8
	if len(b) < header {
		return nil, false
	}
	length := int(b[4])<<8 | int(b[5])
	if length < header || length > len(b) {
		return nil, false
	}
	return b[header:length], true
}

// isQUIC reports whether a datagram begins with a long header. In versions of
// QUIC that are not known here it must have the fixed bit: without it this may
// be RTP (RFC 9443).
func isQUIC(b []byte) bool {
	const long, fixed = 1 << 7, 1 << 6
	if len(b) == 0 || b[0]&long == 0 {
		return false
	}
	_, _, _, err := quic.Next(b)
	return b[0]&fixed != 0 || err == nil
}
