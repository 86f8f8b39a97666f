package queue_test

import (
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/ipqueue/ipqueue/internal/testutil/replace"
	"github.com/ipqueue/ipqueue/queue"
)

// TestKernelAllocates checks that nothing is allocated for a packet in steady
// state. Before that, the queue holds as many packets as it may.
func TestKernelAllocates(t *testing.T) {
	n := 20000
	if testing.Short() {
		n = 4000
	}
	for _, verdict := range []struct {
		name string
		give func(queue.Packet) error
	}{
		{"Accept", queue.Packet.Accept},
		{"Drop", queue.Packet.Drop},
		{"Replace", func(p queue.Packet) error { return p.Replace(p.Payload) }},
		{"mark", func(p queue.Packet) error { return p.Decide(queue.Verdict{Action: queue.Accept, Mark: 9}) }},
	} {
		for _, stream := range streams {
			t.Run(verdict.name+" "+stream.name, func(t *testing.T) {
				if verdict.name == "Replace" {
					replace.Require(t)
				}
				l := newLab(t)
				l.queueUDP()
				most := l.flow(loopback4).room(1024) / 2
				warm := 4 * most
				q := l.open(queue.Config{MaxUndecided: most})
				var decided atomic.Int64
				l.floodWithin(func(sent int) int {
					return min(2*most-(sent-int(decided.Load())), warm+n-sent)
				})
				held := make([]queue.Packet, 0, most)
				var before, after runtime.MemStats
				for p := range stream.of(q) {
					held = append(held, p)
					if len(held) < most && int(decided.Load()) < warm {
						continue
					}
					for _, p := range held {
						if err := verdict.give(p); err != nil {
							t.Fatal(err)
						}
						if int(decided.Add(1)) == warm {
							runtime.ReadMemStats(&before)
						}
					}
					if held = held[:0]; int(decided.Load()) == warm+n {
						break
					}
				}
				runtime.ReadMemStats(&after)
				if per := float64(after.Mallocs-before.Mallocs) / float64(n); per >= 0.01 {
					t.Errorf("%.4f allocations per packet, want less than 0.01", per)
				}
				s := settled(t, q)
				if s.Decided != uint64(warm+n) || s.Missed > 0 || s.Refused > 0 {
					t.Errorf("%d packets decided, %d missed, %d refused, want %d, 0, 0: %+v",
						s.Decided, s.Missed, s.Refused, warm+n, s)
				}
			})
		}
	}
}

// The memory of decided packets is found again whatever the sizes of the
// batches that the next ones come in.
func TestKernelAllocatesForBatches(t *testing.T) {
	const batch = 63
	rounds := 300
	if testing.Short() {
		rounds = 60
	}
	l := newLab(t)
	f := l.flow(loopback4)
	warm := f.room(1000)
	l.queueUDP()
	q := l.open(queue.Config{})
	b := make([]byte, 64)
	held := make([]queue.Packet, 0, warm)
	pass := func(n int) {
		for range n {
			if _, err := f.client.Write(b); err != nil {
				t.Fatal(err)
			}
		}
		for p := range q.All() {
			if held = append(held, p); len(held) == n {
				break
			}
		}
		for _, p := range held {
			accept(t, p)
		}
		held = held[:0]
	}
	pass(warm)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range rounds {
		pass(batch)
	}
	runtime.ReadMemStats(&after)
	if per := float64(after.Mallocs-before.Mallocs) / float64(rounds*batch); per >= 0.01 {
		t.Errorf("%.4f allocations per packet, want less than 0.01", per)
	}
	all := uint64(warm + rounds*batch)
	wantStats(t, settled(t, q), queue.Stats{Received: all, Decided: all, Accepted: all})
}
