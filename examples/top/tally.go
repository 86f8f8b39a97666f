package main

import (
	"cmp"
	"slices"
	"sync"

	"github.com/ipqueue/ipqueue/queue"
)

// A count is a number of packets and of their bytes.
type count struct{ packets, bytes uint64 }

func (c *count) add(bytes uint32) {
	c.packets++
	c.bytes += uint64(bytes)
}

// A talker is a flow and its packets.
type talker struct {
	flow queue.Flow
	count
}

// A tally counts packets by flow. Its methods may be called from any goroutine.
type tally struct {
	most int // number of flows to distinguish

	mu     sync.Mutex
	flows  map[queue.Flow]*count
	others count // of all further flows
	total  count // since the beginning
}

func newTally(most int) *tally { return &tally{most: most, flows: make(map[queue.Flow]*count)} }

func (t *tally) add(f queue.Flow, bytes uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total.add(bytes)
	t.of(f).add(bytes)
}

// of returns the count of the flow. The caller holds mu.
func (t *tally) of(f queue.Flow) *count {
	c := t.flows[f]
	switch {
	case c != nil:
		return c
	case len(t.flows) == t.most:
		return &t.others
	}
	c = new(count)
	t.flows[f] = c
	return c
}

// take returns the flows counted since its last call, those with the most bytes
// first.
func (t *tally) take() (talkers []talker, others, total count) {
	flows, others, total := t.reset()
	for f, c := range flows {
		talkers = append(talkers, talker{f, *c})
	}
	slices.SortFunc(talkers, func(a, b talker) int {
		return cmp.Or(cmp.Compare(b.bytes, a.bytes), cmp.Compare(a.flow.String(), b.flow.String()))
	})
	return talkers, others, total
}

// reset starts a new count, so that add does not wait while take sorts.
func (t *tally) reset() (flows map[queue.Flow]*count, others, total count) {
	t.mu.Lock()
	defer t.mu.Unlock()
	flows, others = t.flows, t.others
	t.flows, t.others = make(map[queue.Flow]*count, len(flows)), count{}
	return flows, others, t.total
}
