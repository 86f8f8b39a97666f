package queue_test

import (
	"sync/atomic"
	"testing"

	"github.com/ipqueue/ipqueue/queue"
)

// BenchmarkKernel takes packets of 92 bytes from the real kernel's queue, while
// another goroutine sends them.
func BenchmarkKernel(b *testing.B) {
	for _, verdict := range []struct {
		name string
		give func(queue.Packet) error
	}{
		{"Accept", queue.Packet.Accept},
		{"Drop", queue.Packet.Drop},
		{"Replace", func(p queue.Packet) error { return p.Replace(p.Payload) }},
	} {
		for _, stream := range streams {
			b.Run(verdict.name+"/"+stream.name, func(b *testing.B) {
				l := newLab(b)
				l.queueUDP()
				q := l.open(queue.Config{})
				var seen atomic.Int64
				b.ReportAllocs()
				b.ResetTimer()
				l.floodWithin(func(sent int) int {
					return min(inFlight-(sent-int(seen.Load())), b.N-sent)
				})
				for p := range stream.of(q) {
					if err := verdict.give(p); err != nil {
						b.Fatal(err)
					}
					if seen.Add(1) == int64(b.N) {
						break
					}
				}
				s := settled(b, q)
				b.StopTimer()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "packets/s")
				if s.Kernel.LastID != uint32(b.N) || s.Decided != uint64(b.N) {
					b.Errorf("%d packets decided, the kernel's last id is %d, want %d", s.Decided, s.Kernel.LastID, b.N)
				}
			})
		}
	}
}
