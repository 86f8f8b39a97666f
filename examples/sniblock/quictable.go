package main

import (
	"bytes"
	"errors"
	"time"

	"github.com/ipqueue/ipqueue/examples/sniblock/internal/quic"
	"github.com/ipqueue/ipqueue/queue"
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
			o = f.judgeInitial(v.flow, p, now)
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

// isQUIC reports whether a datagram begins with a long header. Of versions that
// nobody here knows only those with the fixed bit count: without it this may be
// RTP (RFC 9443).
func isQUIC(b []byte) bool {
	const long, fixed = 1 << 7, 1 << 6
	if len(b) == 0 || b[0]&long == 0 {
		return false
	}
	_, _, _, err := quic.Next(b)
	return b[0]&fixed != 0 || !errors.Is(err, quic.ErrVersion) && err == nil
}

// judgeInitial decides an Initial packet.
func (f *filter) judgeInitial(flow queue.Flow, p quic.Packet, now time.Time) outcome {
	c, frames := f.initials.open(flow, p, now)
	if c == nil {
		return outcome{decision: discard}
	}
	before := c.size()
	o := c.take(frames, func(h hello) string { return f.refuses(flow, h) })
	f.initials.used += c.size() - before
	return o
}

// A quicConnection is a QUIC connection, as far as its client's Initial packets
// tell.
type quicConnection struct {
	original  []byte // the destination connection ID of the keys
	stream    stream
	handshake handshake
	read      int // bytes of the stream that the handshake has
	refused   bool
	seen      time.Time // last
}

// size is the memory that the connection needs, about.
func (c *quicConnection) size() int {
	const fixed = 400
	return fixed + c.stream.size() + cap(c.handshake.message)
}

// take decides an Initial packet with these frames.
func (c *quicConnection) take(frames []byte, judge func(hello) string) outcome {
	cryptos, err := quic.Cryptos(frames)
	if len(cryptos) > 0 && c.refused {
		return outcome{decision: refuse}
	}
	for _, piece := range cryptos {
		switch {
		case piece.Offset+uint64(len(piece.Data)) > longestHello:
			return c.refuse(errTooLong.Error())
		case !c.stream.add(int(piece.Offset), piece.Data):
			return c.refuse("contradicts itself")
		}
	}
	hellos, wrong := c.handshake.write(c.stream.beginning()[c.read:])
	c.read = c.stream.whole
	for _, h := range hellos {
		if reason := judge(h); reason != "" {
			return c.refuse(reason)
		}
	}
	switch {
	case wrong != nil:
		return c.refuse(wrong.Error())
	case err != nil: // the server closes the connection
		return outcome{decision: discard}
	}
	return outcome{decision: pass}
}

// refuse refuses the connection for ever.
func (c *quicConnection) refuse(reason string) outcome {
	c.refused, c.stream, c.handshake, c.read = true, stream{}, handshake{}, 0
	return outcome{refuse, reason}
}

// A quicTable knows the QUIC connections whose clients have sent Initial
// packets. It forgets one only for want of memory and only after it was silent
// for longer than servers wait; until then there are no new ones.
type quicTable struct {
	memory int // that the connections may need
	used   int
	flows  lru[queue.Flow, *quicFlow]
}

// A quicFlow is the connections between two ports.
type quicFlow struct {
	connections []*quicConnection
}

const (
	quicSilence = 2 * time.Minute // after which a connection may be forgotten
	quicPerFlow = 16              // connections at most
)

// open returns the connection that an Initial packet belongs to, and the
// packet's frames. It returns nil if there is no room, or if the packet is
// protected with keys that no server has.
func (t *quicTable) open(flow queue.Flow, p quic.Packet, now time.Time) (*quicConnection, []byte) {
	if !t.makeRoom(now) {
		return nil, nil
	}
	f, ok := t.flows.get(flow)
	if !ok {
		f = new(quicFlow)
	}
	frames, ok := openInitial(p, p.Destination)
	original := p.Destination
	for _, c := range f.connections {
		if !ok {
			// The server has chosen another connection ID meanwhile.
			frames, ok = openInitial(p, c.original)
			original = c.original
		}
		if ok && bytes.Equal(c.original, original) {
			c.seen = now
			return c, frames
		}
	}
	if !ok || !t.makeRoomIn(f, now) {
		return nil, nil
	}
	if len(f.connections) == 0 {
		t.flows.remove(flow)
		t.flows.add(flow, f)
	}
	c := &quicConnection{original: bytes.Clone(original), seen: now}
	f.connections = append(f.connections, c)
	t.used += c.size()
	return c, frames
}

func openInitial(p quic.Packet, original []byte) (frames []byte, ok bool) {
	keys, err := quic.ClientKeys(p.Version, original)
	if err != nil {
		return nil, false
	}
	return keys.Open(p)
}

// makeRoom forgets the connections of flows that are silent, and reports whether
// there is memory left.
func (t *quicTable) makeRoom(now time.Time) bool {
	for t.used >= t.memory {
		flow, f, ok := t.flows.oldest()
		if !ok || now.Sub(f.seen()) < quicSilence {
			return false
		}
		for _, c := range f.connections {
			t.used -= c.size()
		}
		t.flows.remove(flow)
	}
	return true
}

// makeRoomIn forgets a silent connection of a flow that has too many.
func (t *quicTable) makeRoomIn(f *quicFlow, now time.Time) bool {
	if len(f.connections) < quicPerFlow {
		return true
	}
	for i, c := range f.connections {
		if now.Sub(c.seen) >= quicSilence {
			t.used -= c.size()
			f.connections = append(f.connections[:i], f.connections[i+1:]...)
			return true
		}
	}
	return false
}

// seen is when the flow was seen last.
func (f *quicFlow) seen() (last time.Time) {
	for _, c := range f.connections {
		if c.seen.After(last) {
			last = c.seen
		}
	}
	return last
}
