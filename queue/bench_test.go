package queue_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/ipqueue/ipqueue/queue"
)

// finish compares what the queue counted with the number of packets: a
// benchmark that loses some measures nothing.
func (r *replay) finish(b *testing.B, q *queue.Queue, packets int) {
	b.Helper()
	b.StopTimer()
	q.Close()
	if n := q.Stats(); n.Received != uint64(packets) || n.Decided != uint64(packets) {
		b.Fatalf("%d packets received, %d decided, want %d", n.Received, n.Decided, packets)
	}
}

// BenchmarkVerdict gives verdicts for packets that are there: claim, append,
// encode and hand over to a socket that costs nothing.
func BenchmarkVerdict(b *testing.B) {
	const chunk = 4096
	for _, tt := range []struct {
		name   string
		decide func(queue.Packet) error
	}{
		{"accept", queue.Packet.Accept},
		{"mark", func(p queue.Packet) error { return p.Decide(queue.Verdict{Action: queue.Accept, Mark: 1}) }},
		{"replace", func(p queue.Packet) error { return p.Replace(p.Payload) }},
	} {
		b.Run(tt.name, func(b *testing.B) {
			r := nfqReplay(simUDP(false, pattern(64)))
			q := r.open(b, queue.Config{Backend: queue.NFQueue, OnRefused: func(uint64, error) {}})
			take := taker(q, true)
			packets := make([]queue.Packet, 0, chunk)
			keep := func(p queue.Packet) { packets = append(packets, p) }
			b.ReportAllocs()
			b.ResetTimer()
			for n := b.N; n > 0; n -= chunk {
				b.StopTimer()
				packets = packets[:0]
				r.more(min(n, chunk))
				take(min(n, chunk), keep)
				b.StartTimer()
				for _, p := range packets {
					if err := tt.decide(p); err != nil {
						b.Fatal(err)
					}
				}
			}
			r.finish(b, q, b.N)
		})
	}
}

// BenchmarkConntrack decodes connection tracking entries of packets that are
// pulled, and changes them; "accept" leaves them alone.
func BenchmarkConntrack(b *testing.B) {
	for _, tt := range []struct {
		name   string
		decide func(queue.Packet) error
	}{
		{"accept", queue.Packet.Accept},
		{"decode", func(p queue.Packet) error {
			if c, ok := p.Conntrack(); !ok || c.Status != queue.CTConfirmed {
				b.Fatalf("conntrack %v, %t", c, ok)
			}
			return p.Accept()
		}},
		{"mark", func(p queue.Packet) error {
			return p.Decide(queue.Verdict{Action: queue.Accept, Conntrack: queue.CTChange{Mark: 1}})
		}},
		{"change", func(p queue.Packet) error {
			return p.Decide(queue.Verdict{Action: queue.Accept, Conntrack: everyChange})
		}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			r := nfqReplay(simUDP(false, pattern(64)))
			r.track()
			q := r.open(b, queue.Config{Backend: queue.NFQueue, Conntrack: true})
			r.more(b.N)
			b.ReportAllocs()
			b.ResetTimer()
			taker(q, true)(b.N, func(p queue.Packet) {
				if err := tt.decide(p); err != nil {
					b.Fatal(err)
				}
			})
			r.finish(b, q, b.N)
		})
	}
}

// BenchmarkAll pulls packets and accepts them on one goroutine: decode, copy,
// verdict.
func BenchmarkAll(b *testing.B) {
	for _, k := range replayers {
		for _, size := range []int{64, 1472, 9000} {
			b.Run(fmt.Sprintf("%v/%d", k.backend, size), func(b *testing.B) {
				r := k.replay(simUDP(false, pattern(size)))
				q := r.open(b, queue.Config{Backend: k.backend})
				r.more(b.N)
				b.ReportAllocs()
				b.ResetTimer()
				taker(q, true)(b.N, mustAccept)
				r.finish(b, q, b.N)
			})
		}
	}
}

// BenchmarkQueues is BenchmarkAll for several queues at once, each on its own
// goroutine: what they share would show in the time for a packet.
func BenchmarkQueues(b *testing.B) {
	for _, n := range []int{1, 2, 4} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			replays, queues := make([]*replay, n), make([]*queue.Queue, n)
			each := 1 + b.N/n
			for i := range n {
				replays[i] = nfqReplay(simUDP(false, pattern(64)))
				queues[i] = replays[i].open(b, queue.Config{Backend: queue.NFQueue})
				replays[i].more(each)
			}
			b.ReportAllocs()
			b.ResetTimer()
			var all sync.WaitGroup
			for _, q := range queues {
				all.Go(func() { taker(q, true)(each, mustAccept) })
			}
			all.Wait()
			for i, q := range queues {
				replays[i].finish(b, q, each)
			}
		})
	}
}

// BenchmarkPackets does what BenchmarkAll does over the channel.
func BenchmarkPackets(b *testing.B) {
	for _, k := range replayers {
		for _, goroutines := range []int{1, 4} {
			b.Run(fmt.Sprintf("%v/goroutines=%d", k.backend, goroutines), func(b *testing.B) {
				r := k.replay(simUDP(false, pattern(64)))
				q := r.open(b, queue.Config{Backend: k.backend})
				packets := q.Packets()
				b.ReportAllocs()
				b.ResetTimer()
				r.more(b.N)
				var all sync.WaitGroup
				for i := range goroutines {
					all.Go(func() {
						for range (b.N + i) / goroutines {
							mustAccept(<-packets)
						}
					})
				}
				all.Wait()
				r.finish(b, q, b.N)
			})
		}
	}
}

// BenchmarkChannel is the hop alone: packets of the same size through a channel
// of the same capacity.
func BenchmarkChannel(b *testing.B) {
	packets := make(chan queue.Packet, 64)
	go func() {
		defer close(packets)
		for range b.N {
			packets <- queue.Packet{}
		}
	}()
	b.ReportAllocs()
	for range packets {
	}
}

func mustAccept(p queue.Packet) {
	if err := p.Accept(); err != nil {
		panic(err)
	}
}
