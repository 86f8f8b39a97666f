package queue_test

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/queue"
)

// processors are the numbers of processors to try: one, and what there is.
func processors() []int { return []int{1, runtime.GOMAXPROCS(0)} }

// onProcessors runs test with each number of processors.
func onProcessors(t *testing.T, test func(t *testing.T)) {
	for _, n := range processors() {
		t.Run(fmt.Sprint(n, " processors"), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
			test(t)
		})
	}
}

// A flood comes faster than a small receive buffer can hold, while several
// goroutines give each packet a verdict and others ask for the counters and change
// the mode: each packet gets one verdict, each id is accounted for, and what was
// accepted, and no other packet, goes on.
func TestKernelFloodOfSmallBuffer(t *testing.T) {
	onProcessors(t, func(t *testing.T) {
		l := newLab(t)
		l.queueUDP()
		sent := l.countSent()
		f := l.flow(loopback4)
		const most = 20
		q := l.open(queue.Config{ReadBuffer: smallBuffer / 2, MaxUndecided: most})
		f.number(0, 1000) // more than the buffer holds
		var twice atomic.Int64
		var all, watchers sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for p := range q.Packets() {
					var rivals sync.WaitGroup
					var won atomic.Int32
					for _, verdict := range []func() error{p.Accept, p.Drop} {
						rivals.Go(func() {
							if err := verdict(); err == nil {
								won.Add(1)
							}
						})
					}
					if rivals.Wait(); won.Load() != 1 {
						twice.Add(1)
					}
				}
			})
		}
		var over atomic.Bool
		watchers.Go(func() {
			for !over.Load() {
				s := q.Stats()
				balanced(t, s)
				if s.Undecided > most {
					t.Errorf("%d packets are undecided, at most %d may be", s.Undecided, most)
				}
				runtime.Gosched()
			}
		})
		watchers.Go(func() {
			for n := 1; !over.Load(); n++ {
				err := q.SetMode(l.ctx, queue.Range(28+n%100))
				if err != nil && !errors.Is(err, unix.ENOBUFS) { // which MaxUndecided may bring about
					t.Errorf("SetMode: %v", err)
				}
			}
		})
		f.number(1000, 2000)
		over.Store(true)
		watchers.Wait()
		eventually(t, "what came is decided", func() bool { s := q.Stats(); return s.Kernel.Pending == 0 && s.Undecided == 0 })
		f.number(0, 1) // shows a gap at the end
		s := settled(t, q)
		q.Close()
		all.Wait()
		if n := twice.Load(); n > 0 {
			t.Errorf("%d packets took two verdicts, or none", n)
		}
		if s.Decided != s.Received || s.Refused > 0 || s.Missed != uint64(s.Kernel.SocketDropped) || s.Missed == 0 {
			t.Errorf("%v, want all decided and some missed", s)
		}
		if got := sent(); got != int(s.Accepted) {
			t.Errorf("%d packets went on, %d were accepted", got, s.Accepted)
		}
	})
}

// Close returns when the kernel has the queue no more, also while other
// goroutines are in calls that use its socket.
func TestKernelCloseReleases(t *testing.T) {
	onProcessors(t, func(t *testing.T) {
		l := newLab(t)
		f := l.flow(loopback4)
		l.chain(netns.Output, 0, toQueue(300))
		for range 8 {
			q := l.open(queue.Config{Number: 300})
			f.number(0, 1)
			p := take(t, q, 1)[0]
			var all sync.WaitGroup
			var begun, over atomic.Int32
			for _, call := range []func(){
				func() { q.Stats() },
				func() { p.Out().Name() },
				func() { _ = q.SetMode(l.ctx, queue.WholePacket) },
			} {
				all.Go(func() {
					for n := int32(0); over.Load() == 0; n++ {
						call()
						if n == 0 {
							begun.Add(1)
						}
					}
				})
			}
			for begun.Load() < 3 {
				runtime.Gosched()
			}
			q.Close()
			if columns := row(t, l.ns, 300); columns != nil {
				t.Errorf("after Close there is still a row: %v", columns)
			}
			over.Store(1)
			all.Wait()
		}
	})
}
