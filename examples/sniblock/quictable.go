package main

import (
	"slices"
	"time"

	"github.com/ipqueue/ipqueue/examples/sniblock/internal/quic"
	"github.com/ipqueue/ipqueue/queue"
)

// A quicTable knows the QUIC connections whose clients have sent Initial
// packets. It forgets one only for want of memory and only after it was silent
// for longer than servers wait; until then there are no new ones.
type quicTable struct {
	memory int // that the connections may need
	used   int
	known  lru[quicID, *quicConnection]
	// flows are the connections of each flow that were seen last, the latest at
	// the end.
	flows map[queue.Flow][]*quicConnection
}

const (
	quicSilence = 2 * time.Minute // after which a connection may be forgotten
	quicPerFlow = 16              // connections whose keys are tried
)

// open returns the connection that an Initial packet belongs to, and the
// packet's frames. It returns nil if there is no room, or if no server is known
// to have the keys that the packet is protected with. Once the server has chosen
// an ID of its own, only the flow tells which connection it is.
func (t *quicTable) open(flow queue.Flow, p quic.Packet, now time.Time) (*quicConnection, []byte) {
	if !t.makeRoom(now) {
		return nil, nil
	}
	if frames, ok := openInitial(p, string(p.Destination)); ok {
		c, known := t.known.get(idOf(flow, p))
		if !known {
			c = t.add(flow, p)
		}
		return c, frames
	}
	for _, c := range t.flows[flow] {
		if frames, ok := openInitial(p, c.id.destination); ok {
			return c, frames
		}
	}
	return nil, nil
}

// add adds the connection that a packet opens. It returns nil if the server does
// not open one. A short ID is one from a Retry packet, with a token.
func (t *quicTable) add(flow queue.Flow, p quic.Packet) *quicConnection {
	if len(p.Destination) < shortest && len(p.Token) == 0 {
		return nil
	}
	c := &quicConnection{id: idOf(flow, p), flow: flow}
	t.known.add(c.id, c)
	t.used += c.size()
	return c
}

// touch makes a connection the latest.
func (t *quicTable) touch(c *quicConnection, now time.Time) {
	c.seen = now
	t.known.get(c.id)
	if t.flows == nil {
		t.flows = make(map[queue.Flow][]*quicConnection)
	}
	others := without(t.flows[c.flow], c)
	others = others[max(0, len(others)-quicPerFlow+1):]
	t.flows[c.flow] = append(others, c)
}

// without removes a connection.
func without(all []*quicConnection, c *quicConnection) []*quicConnection {
	return slices.DeleteFunc(all, func(other *quicConnection) bool { return other == c })
}

// take decides an Initial packet.
func (t *quicTable) take(flow queue.Flow, p quic.Packet, now time.Time, judge func(hello) string) outcome {
	c, frames := t.open(flow, p, now)
	if c == nil {
		return outcome{decision: discard}
	}
	t.touch(c, now)
	before := c.size()
	o := c.take(frames, judge)
	t.used += c.size() - before
	return o
}

func openInitial(p quic.Packet, original string) (frames []byte, ok bool) {
	keys, err := quic.ClientKeys(p.Version, []byte(original))
	if err != nil {
		return nil, false
	}
	return keys.Open(p)
}

// makeRoom forgets silent connections, and reports whether there is memory left.
func (t *quicTable) makeRoom(now time.Time) bool {
	for t.used >= t.memory {
		_, c, ok := t.known.oldest()
		if !ok || !t.forget(c, now) {
			return false
		}
	}
	return true
}

// forget reports whether the connection could be forgotten.
func (t *quicTable) forget(c *quicConnection, now time.Time) bool {
	if now.Sub(c.seen) < quicSilence {
		return false
	}
	t.used -= c.size()
	t.known.remove(c.id)
	others := without(t.flows[c.flow], c)
	if len(others) == 0 {
		delete(t.flows, c.flow)
	} else {
		t.flows[c.flow] = others
	}
	return true
}
