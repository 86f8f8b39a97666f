//go:build !race

package queue_test

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
)

// perRun is how many packets pass between two counts of allocations: many, so
// that one in a while shows, but of large ones no more than the library keeps
// buffers for.
func perRun(packet []byte) int {
	if len(packet) > 4096 {
		return 100
	}
	return 650
}

// TestAllocations counts the allocations for packets in steady state.
func TestAllocations(t *testing.T) {
	small, large := simUDP(false, pattern(100)), simUDP(false, pattern(9000))
	mtu := simUDP(false, pattern(1472))
	for _, k := range replayers {
		for _, tt := range []struct {
			name   string
			packet []byte
			c      queue.Config
			decide func(p queue.Packet) error
		}{
			{"accept", small, queue.Config{}, queue.Packet.Accept},
			{"drop", small, queue.Config{}, queue.Packet.Drop},
			{"accept, large", large, queue.Config{}, queue.Packet.Accept},
			{"accept, deadline", small, queue.Config{Deadline: time.Minute}, queue.Packet.Accept},
			{"accept, age", small, queue.Config{TrackAge: true}, queue.Packet.Accept},
			{"accept, refusals told", small, queue.Config{OnRefused: func(uint64, error) {}}, queue.Packet.Accept},
			{"accept, OnExpired", small, queue.Config{Deadline: time.Minute, OnExpired: func(queue.Packet) {}}, queue.Packet.Accept},
			{"echo", small, queue.Config{}, func(p queue.Packet) error { return p.Replace(p.Payload) }},
			{"echo, MTU", mtu, queue.Config{}, func(p queue.Packet) error { return p.Replace(p.Payload) }},
			{"echo, large", large, queue.Config{}, func(p queue.Packet) error { return p.Replace(p.Payload) }},
			{"grow", small, queue.Config{}, func(p queue.Packet) error { return p.Replace(mtu) }},
			{"data", small, queue.Config{}, func(p queue.Packet) error { return p.ReplaceData(p.Data()[:50]) }},
			{"data, grow", small, queue.Config{}, func(p queue.Packet) error { return p.ReplaceData(mtu[28:]) }},
			{"raw", small, queue.Config{}, func(p queue.Packet) error { return p.ReplaceRaw(mtu) }},
		} {
			for _, pull := range []bool{false, true} {
				t.Run(fmt.Sprintf("%v/%s/pull %t", k.backend, tt.name, pull), func(t *testing.T) {
					c := tt.c
					c.Backend = k.backend
					noAllocations(t, k.replay(tt.packet), c, perRun(tt.packet), pull, tt.decide)
				})
			}
		}
	}
}

// noAllocations fails the test if runs of packets allocate in steady state.
func noAllocations(t *testing.T, r *replay, c queue.Config, packets int, pull bool, verdict func(queue.Packet) error) {
	t.Helper()
	c.MaxUndecided = packets
	take := taker(r.open(t, c), pull)
	decide := func(p queue.Packet) {
		if err := verdict(p); err != nil {
			t.Fatal(err)
		}
	}
	run := func() {
		r.more(packets)
		take(packets, decide)
	}
	warmUp(r, take, packets, decide)
	if got := testing.AllocsPerRun(200, run); got != 0 {
		t.Errorf("%v allocations for %d packets, want 0", got, packets)
	}
}

func TestConntrackAllocations(t *testing.T) {
	track(t, func(s *sim) {
		s.injectPacket(kerneltest.Packet{Conntrack: simEntry()})
		p := s.next()
		if got := testing.AllocsPerRun(100, func() { p.Conntrack() }); got != 0 {
			s.Errorf("%v allocations, want 0", got)
		}
	})
}

// TestConntrackChangeAllocations gives verdicts with every change of a
// connection.
func TestConntrackChangeAllocations(t *testing.T) {
	small := simUDP(false, pattern(100))
	r := nfqReplay(small)
	r.track()
	noAllocations(t, r, queue.Config{Backend: queue.NFQueue, Conntrack: true}, perRun(small), true, func(p queue.Packet) error {
		return p.Decide(queue.Verdict{Action: queue.Accept, Mark: 1, Conntrack: everyChange})
	})
}

// warmUp makes all packets of a run undecided at once, so that later runs find
// the memory they need, whichever goroutine runs first.
func warmUp(r *replay, take func(int, func(queue.Packet)), packets int, decide func(queue.Packet)) {
	var held []queue.Packet
	r.more(packets)
	take(packets, func(p queue.Packet) { held = append(held, p) })
	for _, p := range held {
		decide(p)
	}
}

// TestMemory holds many packets of medium size, after large ones have been
// decided. They may use no more memory than their own length, except for the
// few that keep the buffers into which they were received.
func TestMemory(t *testing.T) {
	const held, large = 4000, 200
	for _, k := range replayers {
		t.Run(fmt.Sprint(k.backend), func(t *testing.T) {
			r := k.replay(simUDP(false, pattern(1000)))
			take := taker(r.open(t, queue.Config{Backend: k.backend}), true)
			medium := r.message
			r.message = k.replay(simUDP(false, nil)).message
			r.more(650) // after which there are all receive buffers
			take(650, mustAccept)
			before := heap()
			r.message = k.replay(simUDP(false, pattern(60000))).message
			hold := func(n int) []queue.Packet {
				packets := make([]queue.Packet, 0, n)
				r.more(n)
				take(n, func(p queue.Packet) { packets = append(packets, p) })
				return packets
			}
			for _, p := range hold(large) {
				mustAccept(p)
			}
			r.message = medium
			packets := hold(held)
			const most = held*(1536+512) + (large+4*sock.MaxBatch)*(68<<10)
			if grown := heap() - before; grown > most {
				t.Errorf("%d packets hold %d bytes, want at most %d", held, grown, most)
			}
			for _, p := range packets {
				mustAccept(p)
			}
		})
	}
}

// TestMemoryOfBursts holds the packets of bursts that come with long pauses. Few
// of them keep the buffers into which they were received, as if all had come at
// once.
func TestMemoryOfBursts(t *testing.T) {
	const bursts, size = 10, 190
	for _, k := range replayers {
		for _, pull := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v, pull %t", k.backend, pull), func(t *testing.T) {
				awaitSteadyHeap(t)
				synctest.Test(t, func(t *testing.T) {
					r := k.replay(simUDP(false, pattern(1000)))
					held := make([]queue.Packet, 0, bursts*(size+1))
					hold := func(p queue.Packet) { held = append(held, p) }
					before := heap()
					take := taker(r.open(t, queue.Config{Backend: k.backend}), pull)
					for range bursts {
						r.more(size)
						take(size, hold)
						over := make(chan struct{})
						go func() { // which waits for a packet
							take(1, hold)
							close(over)
						}()
						time.Sleep(time.Hour)
						r.more(1)
						<-over
					}
					bound := int64(256*(68<<10) + len(held)*(1536+400))
					if grown := heap() - before; grown > bound {
						t.Errorf("%d packets hold %d bytes, want at most %d", len(held), grown, bound)
					}
					runtime.KeepAlive(held)
				})
			})
		}
	}
}

// TestMemoryBound has as many packets undecided as may be, in the program's hands
// or, because it hangs, in those of the library. It holds the formula that
// Config.MaxUndecided gives to its example.
func TestMemoryBound(t *testing.T) {
	const most, receiveBuffer, copied = 4096, 128 + 2<<10, 256
	for _, k := range replayers {
		for _, hangs := range []bool{false, true} {
			for _, told := range []bool{false, true} {
				t.Run(fmt.Sprintf("%v, hangs %t, OnExpired %t", k.backend, hangs, told), func(t *testing.T) {
					awaitSteadyHeap(t)
					synctest.Test(t, func(t *testing.T) {
						c := queue.Config{Backend: k.backend, Mode: queue.Range(128), MaxUndecided: most, Deadline: time.Hour}
						// Packets that small are copied: there are buffers for one read.
						bound := int64(sock.MaxBatch*receiveBuffer + most*(copied+400))
						if told {
							c.OnExpired = func(queue.Packet) {}
							bound += most * 200
						}
						r := k.replay(simUDP(false, pattern(100)))
						held := make([]queue.Packet, 0, most)
						before := heap()
						q := r.open(t, c)
						r.more(most)
						for p := range q.All() {
							if hangs {
								time.Sleep(time.Hour / 2)
							}
							if held = append(held, p); hangs || len(held) == most {
								break
							}
						}
						if grown := heap() - before; grown > bound || grown < most*copied {
							t.Errorf("%d packets hold %d bytes, want at most %d", most, grown, bound)
						}
						if n := q.Stats(); n.Undecided != most {
							t.Errorf("%d packets are undecided, want %d", n.Undecided, most)
						}
						runtime.KeepAlive(held)
						q.Close()
					})
				})
			}
		}
	}
}

// TestMemoryFreed has bursts of packets, which the program decides at once, after
// a minute, or not at all. When the queue has been idle for an hour it uses no
// more memory than one that has seen none.
func TestMemoryFreed(t *testing.T) {
	const n, most = 4096, 256 << 10
	for _, k := range replayers {
		for _, size := range []int{100, 1000, 30000} {
			for _, pull := range []bool{false, true} {
				for name, use := range map[string]func(take func(n int, f func(queue.Packet))){
					"decides at once": func(take func(n int, f func(queue.Packet))) { take(n, mustAccept) },
					"holds packets": func(take func(n int, f func(queue.Packet))) {
						var held []queue.Packet
						take(n, func(p queue.Packet) { held = append(held, p) })
						time.Sleep(time.Minute)
						for _, p := range held {
							mustAccept(p)
						}
					},
					"hangs": func(take func(n int, f func(queue.Packet))) {
						take(1, func(queue.Packet) { time.Sleep(3 * time.Hour) })
					},
				} {
					t.Run(fmt.Sprintf("%v, %d bytes, pull %t, %s", k.backend, size, pull, name), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							r := k.replay(simUDP(false, pattern(size)))
							before := heap()
							take := taker(r.open(t, queue.Config{Backend: k.backend, Deadline: 2 * time.Hour}), pull)
							r.more(n)
							use(take)
							over := make(chan struct{})
							go func() { // which waits for a packet
								take(1, mustAccept)
								close(over)
							}()
							time.Sleep(time.Hour)
							if got := heap() - before; got > most {
								t.Errorf("an idle queue has %d bytes, want at most %d", got, most)
							}
							r.more(1)
							<-over
						})
					})
				}
			}
		}
	}
}

// TestNoCopy decides packets of medium size immediately. They stay in the
// buffers into which they were received.
func TestNoCopy(t *testing.T) {
	packet := simUDP(false, pattern(1000))
	for _, k := range replayers {
		t.Run(fmt.Sprint(k.backend), func(t *testing.T) {
			r := k.replay(packet)
			r.buffers = make(map[*byte]bool)
			q := r.open(t, queue.Config{Backend: k.backend})
			take := taker(q, true)
			header := bytes.Index(r.message, packet)
			for range 100 {
				r.more(64)
				take(64, func(p queue.Packet) {
					start := (*byte)(unsafe.Add(unsafe.Pointer(&p.Payload[0]), -header))
					if !r.buffers[start] {
						t.Fatalf("packet %d was copied", p.ID)
					}
					mustAccept(p)
				})
				for q.Stats().Undecided > 0 { // a busy machine may have the timer send the last verdicts
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
}

// heap is the number of bytes in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// awaitSteadyHeap waits until earlier tests have let go of their memory, which
// goroutines hold that are about to end.
func awaitSteadyHeap(t *testing.T) {
	const steady = 10
	same, before := 0, heap()
	eventually(t, "the heap keeps its size", func() bool {
		now := heap()
		if same++; now < before-1<<12 || now > before+1<<12 {
			same = 0
		}
		before = now
		return same == steady
	})
}
