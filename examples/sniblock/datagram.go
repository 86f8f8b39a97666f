package main

import (
	"time"

	"github.com/ipqueue/ipqueue/examples/sniblock/internal/quic"
	"github.com/ipqueue/ipqueue/queue"
)

// judgeDatagram decides a UDP datagram. Only datagrams that start with a long
// header can open a QUIC connection. No connection settles, because the client
// may use the same two ports for the next one.
func (f *filter) judgeDatagram(v packet, now time.Time) outcome {
	b, ok := datagramData(v.transport)
	switch {
	case !ok:
		return outcome{decision: discard}
	case f.quic == passQUIC:
		return outcome{decision: pass}
	case v.merged:
		return f.judgeMerged(v.flow, b, now)
	}
	return f.judgePackets(v.flow, b, now)
}

// judgePackets decides the QUIC packets of a datagram.
func (f *filter) judgePackets(flow queue.Flow, b []byte, now time.Time) outcome {
	o := outcome{decision: pass}
	switch {
	case !isQUIC(b):
		return o
	case f.quic == dropQUIC:
		return outcome{decision: refuse}
	}
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
			o = f.judgeInitial(flow, p, now)
			if o.decision == discard {
				return o
			}
		}
		b = rest
	}
}

func (f *filter) judgeInitial(flow queue.Flow, p quic.Packet, now time.Time) outcome {
	if f.quic == dropQUIC {
		return outcome{decision: refuse}
	}
	return f.initials.take(flow, p, now, func(h hello) string { return f.refuses(flow, h) })
}

// judgeMerged decides several datagrams that the kernel splits later (UDP GSO).
// Their boundaries are unknown, so an Initial packet may start at any byte.
func (f *filter) judgeMerged(flow queue.Flow, b []byte, now time.Time) outcome {
	const most = 64 // number of possible packets to check
	o, found := f.judgePackets(flow, b, now), 0
	for at := range b {
		if o.decision == refuse || o.decision == discard {
			break
		}
		p, _, ok, err := quic.Next(b[at:])
		if at == 0 || !ok || err != nil || p.Kind != quic.Initial {
			continue
		}
		if found++; found > most {
			return outcome{decision: discard}
		}
		o = f.judgeInitial(flow, p, now)
	}
	return o
}

// datagramData returns the data of a UDP datagram, without bytes after the
// datagram in the IP packet.
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

// isQUIC reports whether a datagram starts with a long header. In unknown
// versions of QUIC the fixed bit must be set: without it, the datagram may be
// RTP (RFC 9443).
func isQUIC(b []byte) bool {
	const long, fixed = 1 << 7, 1 << 6
	if len(b) == 0 || b[0]&long == 0 {
		return false
	}
	_, _, _, err := quic.Next(b)
	return b[0]&fixed != 0 || err == nil
}
