package main

import (
	"container/list"
	"time"

	"github.com/ipqueue/ipqueue/queue"
)

// A connection is one whose server's name is not known yet, or which is
// refused.
type connection struct {
	flow    queue.Flow
	stream  stream
	refused bool
	seen    time.Time // last
}

// A table keeps the connections that have not been silent for longer than
// lifetime, and of those the newest.
type table struct {
	most     int
	lifetime time.Duration
	byFlow   map[queue.Flow]*list.Element
	order    *list.List // of *connection, the one that is silent for longest first
}

func newTable(most int, lifetime time.Duration) *table {
	return &table{most, lifetime, make(map[queue.Flow]*list.Element), list.New()}
}

// open begins a connection whose first byte has that sequence number. The one
// that already began there goes on.
func (t *table) open(flow queue.Flow, first uint32, now time.Time) {
	if c := t.find(flow, now); c != nil && c.stream.first == first {
		return
	}
	t.forget(flow)
	if t.order.Len() == t.most {
		t.forget(t.oldest().flow)
	}
	t.byFlow[flow] = t.order.PushBack(&connection{flow: flow, stream: stream{first: first}, seen: now})
}

// find returns the connection of the flow, nil if there is none.
func (t *table) find(flow queue.Flow, now time.Time) *connection {
	for t.order.Len() > 0 && now.Sub(t.oldest().seen) > t.lifetime {
		t.forget(t.oldest().flow)
	}
	e := t.byFlow[flow]
	if e == nil {
		return nil
	}
	t.order.MoveToBack(e)
	c := e.Value.(*connection)
	c.seen = now
	return c
}

func (t *table) forget(flow queue.Flow) {
	if e := t.byFlow[flow]; e != nil {
		t.order.Remove(e)
		delete(t.byFlow, flow)
	}
}

func (t *table) oldest() *connection { return t.order.Front().Value.(*connection) }
