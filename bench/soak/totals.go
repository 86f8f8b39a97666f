package main

import (
	"sync"

	"github.com/ipqueue/ipqueue/queue"
)

// totals contains the sums of all openings.
type totals struct {
	mu       sync.Mutex
	openings int
	children int
	stats    queue.Stats
}

func (t *totals) add(s queue.Stats) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.openings++
	sum := &t.stats
	for _, c := range []struct {
		total *uint64
		n     uint64
	}{
		{&sum.Received, s.Received}, {&sum.Decided, s.Decided}, {&sum.Expired, s.Expired},
		{&sum.Overflowed, s.Overflowed}, {&sum.Abandoned, s.Abandoned}, {&sum.Missed, s.Missed},
		{&sum.Replaced, s.Replaced}, {&sum.Requeued, s.Requeued}, {&sum.Repeated, s.Repeated},
	} {
		*c.total += c.n
	}
	sum.Kernel.QueueDropped += s.Kernel.QueueDropped
}

func (t *totals) addChild() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.children++
}
