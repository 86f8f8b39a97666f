package queue_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
)

// A bufferTap notes how large the buffers are that are received into.
type bufferTap struct {
	sock.Socket
	largest int        // of the last read
	all     int        // bytes of the last read's
	reading sync.Mutex // held while a read starts
}

type bufferKernel struct {
	*kerneltest.Kernel
	tap *bufferTap
}

func (k *bufferKernel) Open(c sock.Config) (sock.Socket, error) {
	s, err := k.Kernel.Open(c)
	k.tap.Socket = s
	return k.tap, err
}

func (t *bufferTap) Receive(batch []sock.Datagram, idle func() bool) (int, error) {
	t.reading.Lock()
	t.largest, t.all = 0, 0
	for _, d := range batch {
		t.largest = max(t.largest, len(d.Buf))
		t.all += len(d.Buf)
	}
	t.reading.Unlock()
	return t.Socket.Receive(batch, idle)
}

func (s *sim) tapBuffers() *bufferTap {
	k := &bufferKernel{s.kernel, new(bufferTap)}
	s.ctx = sock.WithKernel(s.ctx, k)
	return k.tap
}

// TestBuffersComeAndGo sends bursts. Each gets the buffers it needs after a few
// reads. When the queue has been idle for some time, the buffers are freed.
func TestBuffersComeAndGo(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		tap := s.tapBuffers()
		s.open(queue.Config{Buffer: 1000})
		s.q.Packets()
		synctest.Wait()
		one := tap.all
		for range 3 {
			// No read starts until the whole burst is in the socket: a reader as
			// fast as the sender finds it empty now and then, and needs less.
			tap.reading.Lock()
			s.inject(500)
			tap.reading.Unlock()
			for _, p := range s.nextN(500) {
				s.ok(p.Accept())
			}
			synctest.Wait()
			if tap.all != sock.MaxBatch*one {
				s.Errorf("after a burst %d bytes are received into, want %d", tap.all, sock.MaxBatch*one)
			}
			s.inject(1)
			p := s.next()
			time.Sleep(time.Minute)
			synctest.Wait()
			if tap.all != one {
				s.Errorf("after a minute %d bytes are received into, want %d", tap.all, one)
			}
			s.ok(p.Accept())
		}
	})
}

// TestBuffersFit checks that buffers have the size that the mode needs, also
// for the first packets after SetMode.
func TestBuffersFit(t *testing.T) {
	for _, tt := range []struct {
		mode queue.Mode
		most int
	}{{queue.MetaOnly, 4 << 10}, {queue.Range(1), 4 << 10}, {queue.Range(128), 4 << 10}, {queue.Range(9000), 12 << 10}, {queue.Range(1 << 30), 68 << 10}, {0, 68 << 10}} {
		t.Run(tt.mode.String(), func(t *testing.T) {
			simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
				tap := s.tapBuffers()
				s.open(queue.Config{Mode: tt.mode})
				s.q.Packets()
				synctest.Wait()
				if tap.largest > tt.most {
					s.Errorf("%d bytes, want at most %d", tap.largest, tt.most)
				}
				whole := s.datagram(60000)
				for _, mode := range []queue.Mode{queue.Range(40000), 0, tt.mode, queue.WholePacket} {
					done := make(chan struct{})
					stop := make(chan struct{})
					go func() { // packets come whenever the kernel has taken the mode
						defer close(done)
						for {
							select {
							case <-stop:
								return
							default:
								s.injectPayload(whole)
								time.Sleep(time.Millisecond)
							}
						}
					}()
					go func() {
						for p := range s.q.Packets() {
							_ = p.Accept()
						}
					}()
					time.Sleep(10 * time.Millisecond)
					s.ok(s.q.SetMode(s.ctx, mode))
					time.Sleep(10 * time.Millisecond)
					close(stop)
					<-done
				}
				if n := s.stats(); n.Damaged != 0 || n.Decided == 0 {
					s.Errorf("%d damaged, %d decided", n.Damaged, n.Decided)
				}
			})
		})
	}
}

// TestBuffersTooSmall sends a message with more metadata than a buffer is made
// for. That packet cannot be delivered, but the next one can.
func TestBuffersTooSmall(t *testing.T) {
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{Mode: queue.Range(100), SecurityContext: true})
		label := string(pattern(20000))
		s.injectPacket(kerneltest.Packet{SecurityContext: []byte(label)})
		s.none()
		j := s.injectPacket(kerneltest.Packet{SecurityContext: []byte(label)})
		p := s.next()
		if got := p.SecurityContext(); got != label {
			s.Errorf("a label of %d bytes, want %d", len(got), len(label))
		}
		s.ok(p.Accept())
		s.fate(j, kerneltest.Accepted)
		if n := s.stats(); n.Damaged != 1 {
			s.Errorf("%d damaged, want 1", n.Damaged)
		}
	})
}

// BenchmarkOpen opens and closes a queue on a socket that costs nothing.
func BenchmarkOpen(b *testing.B) {
	for _, k := range replayers {
		b.Run(fmt.Sprint(k.backend), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := k.replay(simUDP(false, nil))
				q := r.open(b, queue.Config{Backend: k.backend})
				q.Close()
			}
		})
	}
}

// TestIdleMemory opens queues that nothing comes to.
func TestIdleMemory(t *testing.T) {
	const queues, most = 10, 256 << 10
	for _, k := range replayers {
		for _, mode := range []queue.Mode{queue.WholePacket, queue.MetaOnly, queue.Range(128)} {
			for _, pull := range []bool{false, true} {
				t.Run(fmt.Sprintf("%v/%v/pull %t", k.backend, mode, pull), func(t *testing.T) {
					before := heapInUse()
					for range queues {
						r := k.replay(simUDP(false, pattern(500)))
						take := taker(r.open(t, queue.Config{Backend: k.backend, Mode: mode}), pull)
						r.more(1)
						take(1, mustAccept)
					}
					if got := (heapInUse() - before) / queues; got > most {
						t.Errorf("an idle queue has %d bytes, want at most %d", got, most)
					}
				})
			}
		}
	}
}

func heapInUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}
