package queue_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/testutil/replace"
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
				if verdict.name == "Replace" {
					replace.Require(b)
				}
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

// BenchmarkKernelClose is how long Close takes with packets undecided, all of
// them received, and half of them not yet taken out of the channel.
func BenchmarkKernelClose(b *testing.B) {
	for _, onClose := range []queue.Action{queue.Drop, queue.Accept} {
		for _, n := range []int{0, 100, 1000} {
			b.Run(fmt.Sprintf("%v/undecided=%d", onClose, n), func(b *testing.B) {
				l := newLab(b)
				l.queueUDP()
				f := l.flow(loopback4)
				for b.Loop() {
					b.StopTimer()
					q := l.open(queue.Config{OnClose: onClose, Buffer: n})
					f.number(0, n)
					take(b, q, n/2)
					awaitReceived(b, q, n)
					b.StartTimer()
					q.Close()
				}
			})
		}
	}
}

func awaitReceived(t testing.TB, q *queue.Queue, n int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); q.Stats().Received < uint64(n); {
		if time.Now().After(deadline) {
			t.Fatalf("%d packets received, want %d", q.Stats().Received, n)
		}
		time.Sleep(10 * time.Microsecond)
	}
}
