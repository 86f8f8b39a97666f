package main

import (
	"time"

	"github.com/ipqueue/ipqueue/queue"
)

// A tcpTable knows the TCP connections that may still be refused, and those
// that may not. Connections without a SYN are those that began before the
// program did. They may go on, but only at first, and not once a connection had
// to be forgotten for want of memory: that one is refused when it speaks again.
type tcpTable struct {
	memory int       // that the connections may need
	until  time.Time // connections without a SYN may go on

	used    int // of the memory
	open    lru[queue.Flow, *connection]
	settled set[queue.Flow]
}

// take decides a segment.
func (t *tcpTable) take(flow queue.Flow, s segment, now time.Time, judge func(hello) string) outcome {
	c, known := t.open.get(flow)
	switch {
	case known || s.syn:
	case len(s.data) == 0:
		return outcome{decision: pass}
	case t.settled.has(flow):
		return outcome{decision: settle}
	}
	if !known {
		c = new(connection)
		t.settled.remove(flow) // so that it is refused should it be forgotten
		t.open.add(flow, c)
		t.used += c.size()
	}
	before := c.size()
	var o outcome
	switch {
	case s.syn && c.open(s) == nil:
		return outcome{decision: discard}
	case !s.syn && !known:
		o = c.join(s, now.After(t.until))
	}
	o = o.or(c.take(s, judge))
	t.used += c.size() - before
	if o.decision == settle {
		t.forget(flow, c)
		t.settled.add(flow)
	}
	t.makeRoom()
	return o
}

func (t *tcpTable) forget(flow queue.Flow, c *connection) {
	t.open.remove(flow)
	t.used -= c.size()
}

// makeRoom forgets the connections that are silent for longest.
func (t *tcpTable) makeRoom() {
	for t.used > t.memory {
		flow, c, ok := t.open.oldest()
		if !ok {
			return
		}
		t.forget(flow, c)
		t.until = time.Time{}
	}
}
