package queue_test

import (
	"errors"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ipqueue/ipqueue/queue"
)

// smallBuffer is the receive buffer that a system grants to ordinary users.
const smallBuffer = 212992

// TestKernelLostAnswers makes the kernel drop all packets that are held, and so
// refuse later verdicts. Answers that do not fit in a small receive buffer are
// counted, so that every refusal is accounted for.
func TestKernelLostAnswers(t *testing.T) {
	for _, telling := range []bool{false, true} {
		for _, stream := range streams {
			t.Run(at(stream.name, telling), func(t *testing.T) {
				l := newLab(t)
				f := l.flow(loopback4)
				l.queueUDP()
				c := queue.Config{ReadBuffer: smallBuffer / 2}
				var told atomic.Int64
				if telling {
					c.OnRefused = func(uint64, error) { told.Add(1) }
				}
				q := l.open(c)
				const most = 2000
				n := f.room(most)
				var held []queue.Packet
				go func() {
					for i := range n {
						f.number(i, 1)
						for q.Stats().Received < uint64(i) {
							time.Sleep(50 * time.Microsecond)
						}
					}
				}()
				for p := range stream.of(q) {
					if held = append(held, p); len(held) == n {
						break
					}
				}
				if err := l.table.Delete(); err != nil {
					t.Fatal(err)
				}
				const givers = 4
				var all sync.WaitGroup
				for first := range givers {
					all.Go(func() {
						for i := first; i < n; i += givers { // each by itself
							if err := held[i].Decide(queue.Verdict{Action: queue.Accept, Mark: uint32(i + 1)}); err != nil {
								t.Error(err)
							}
						}
					})
				}
				all.Wait()
				if err := q.Close(); err != nil {
					t.Error(err)
				}
				s := q.Stats()
				if s.Accepted != uint64(n) || s.Late+s.LostAnswers != uint64(n) {
					t.Errorf("%d verdicts sent for packets that are gone: %d late, %d answers lost, want %d", s.Accepted, s.Late, s.LostAnswers, n)
				}
				if telling {
					eventually(t, "OnRefused is told what is late", func() bool { return told.Load() == int64(s.Late) })
				}
			})
		}
	}
}

// A payload that cannot be read panics in the goroutine that gives the verdict:
// who recovers finds the packet undecided, and Close does not wait.
func TestKernelVerdictPanics(t *testing.T) {
	l := newLab(t)
	f := l.flow(loopback4)
	l.queueUDP()
	q := l.open(queue.Config{})
	f.number(0, 2)
	packets := take(t, q, 2)
	unreadable, err := unix.Mmap(-1, 0, 1<<16, unix.PROT_NONE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(unreadable)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	replacement := unreadable[:len(packets[0].Payload)]
	for _, verdict := range []func(queue.Packet) error{
		func(p queue.Packet) error { return p.Replace(replacement) },
		func(p queue.Packet) error { return p.ReplaceRaw(replacement) },
		func(p queue.Packet) error { return p.ReplaceData(unreadable[:100]) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			_ = verdict(packets[0])
		}()
	}
	if err := packets[0].Accept(); err != nil {
		t.Errorf("Accept after the panics: %v", err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = packets[1].Replace(replacement)
	}()
	closed := make(chan error)
	go func() { closed <- q.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("Close waits for a claim that nobody has")
	}
}

// The body of a loop hangs while packets come: each gets its verdict in time.
func TestKernelDeadlineHangs(t *testing.T) {
	const deadline = 200 * time.Millisecond
	for _, stream := range streams {
		t.Run(stream.name, func(t *testing.T) {
			l := newLab(t)
			f := l.flow(loopback4)
			sent := l.countSent()
			l.queueUDP()
			q := l.open(queue.Config{Deadline: deadline, OnDeadline: queue.Accept})
			const n = 300
			gone := make(chan struct{}) // closed when all have gone on
			decided, late := 0, 0
			var consumer sync.WaitGroup
			consumer.Go(func() {
				for p := range stream.of(q) {
					<-gone
					switch err := p.Accept(); {
					case err == nil:
						decided++
					case errors.Is(err, queue.ErrDecided), errors.Is(err, queue.ErrClosed):
						late++ // the queue may have closed meanwhile
					default:
						t.Error(err)
					}
				}
			})
			for i := range n {
				f.number(i, 1)
				time.Sleep(2 * deadline / n)
			}
			eventually(t, "all have gone on", func() bool { return sent() == n })
			close(gone)
			f.number(n, 1) // which has a reader that does not hang
			s := settled(t, q)
			q.Close()
			consumer.Wait()
			// One hung, and what waits in the channel may be taken just before
			// it is taken back.
			if channelCapacity := 64; late > 1+channelCapacity {
				t.Errorf("%d packets had expired when they were handed out", late)
			}
			if s.Expired < n || s.Decided != uint64(decided) || s.Expired+s.Decided != n+1 {
				t.Errorf("%d expired, %d were decided, %d by the application: want %d or all, and the rest", s.Expired, s.Decided, decided, n)
			}
		})
	}
}
