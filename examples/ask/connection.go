package main

import (
	"encoding/binary"

	"github.com/ipqueue/ipqueue/queue"
)

// A connection identifies a SYN and its retransmissions.
type connection struct {
	flow  queue.Flow
	first uint32 // sequence number; 0 if this is not TCP
}

func connectionOf(p queue.Packet) connection {
	const tcp = 6
	c := connection{flow: p.Flow()}
	if protocol, segment := p.Transport(); protocol == tcp && len(segment) >= 8 {
		c.first = binary.BigEndian.Uint32(segment[4:]) // RFC 9293, section 3.1
	}
	return c
}

// destination returns the flow without its source, because answers are about
// destinations.
func (c connection) destination() queue.Flow {
	return queue.Flow{Protocol: c.flow.Protocol, Destination: c.flow.Destination}
}

// recent contains the answers about single connections, so that a retransmitted
// SYN causes no new question. When it is full, a new answer replaces the oldest.
type recent struct {
	actions map[connection]queue.Action
	order   []connection // a ring; the oldest element is replaced next
	next    int
}

func newRecent(most int) *recent {
	return &recent{actions: make(map[connection]queue.Action), order: make([]connection, most)}
}

func (r *recent) remember(c connection, action queue.Action) {
	if _, known := r.actions[c]; !known {
		delete(r.actions, r.order[r.next])
		r.order[r.next] = c
		r.next = (r.next + 1) % len(r.order)
	}
	r.actions[c] = action
}
