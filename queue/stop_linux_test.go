package queue_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/queue"
)

// endings are the two fates of undecided packets.
var endings = []queue.Action{queue.Drop, queue.Accept}

// openUntil opens a queue for the life of a context, which cancel ends.
func (l *lab) openUntil(c queue.Config) (q *queue.Queue, cancel context.CancelFunc) {
	l.Helper()
	background := l.ctx
	defer func() { l.ctx = background }()
	l.ctx, cancel = context.WithCancel(background)
	return l.open(c), cancel
}

// sendUntilTapCloses sends packets, from number first on, until the kernel
// queues none any more. It returns the number of the one that was not queued.
func sendUntilTapCloses(f *flow, q *queue.Queue, first int) int {
	f.Helper()
	number := first
	eventually(f, "the kernel queues no new packets", func() bool {
		before := q.Stats().Kernel.LastID
		f.number(number, 1)
		if q.Stats().Kernel.LastID == before {
			return true
		}
		number++
		return false
	})
	return number
}

// reopen opens the closing queue again, as soon as it is closed.
func (l *lab) reopen(c queue.Config) *queue.Queue {
	l.Helper()
	var q *queue.Queue
	eventually(l, "the queue can be opened again", func() (ok bool) {
		var err error
		q, err = l.tryOpen(c)
		return err == nil
	})
	l.Cleanup(func() { q.Close() })
	return q
}

// When the context ends no new packets come, those that were there are
// delivered and can be decided, and the queue closes after the last of them.
func TestKernelContextEnds(t *testing.T) {
	for _, stream := range streams {
		for _, ending := range endings {
			t.Run(fmt.Sprint(stream.name, " ", ending), func(t *testing.T) {
				l := newLab(t)
				f := l.flow(loopback4)
				l.queueUDP()
				q, cancel := l.openUntil(queue.Config{OnClose: ending, Grace: -1, Buffer: 3})
				const n = 50
				f.number(0, n)
				cancel()
				last := sendUntilTapCloses(f, q, n)
				var packets []queue.Packet
				for p := range stream.of(q) {
					packets = append(packets, p)
				}
				if len(packets) != last || q.Err() != nil {
					t.Errorf("the stream ended after %d packets with %v, want %d, nil", len(packets), q.Err(), last)
				}
				want := make(map[int]bool)
				for i, p := range packets {
					if got := numberOf(p); got != i {
						t.Errorf("packet %d came as number %d", got, i)
					}
					if i%2 == 0 {
						want[i] = true
						accept(t, p)
					} else if err := p.Drop(); err != nil {
						t.Error(err)
					}
				}
				if ending == queue.Accept {
					want[last] = true // it was not queued, and passed
				}
				f.wantNumbers(want)
				l.reopen(queue.Config{})
				s := q.Stats()
				balanced(t, s)
				even := uint64(last+1) / 2
				wantStats(t, s, queue.Stats{
					Received: uint64(last), Decided: uint64(last), Accepted: even, Dropped: uint64(last) - even,
				})
				if err := packets[0].Accept(); !errors.Is(err, queue.ErrClosed) {
					t.Errorf("Accept after the end = %v, want ErrClosed", err)
				}
			})
		}
	}
}

// What is undecided at the end of the grace gets OnClose.
func TestKernelGraceEnds(t *testing.T) {
	for _, ending := range endings {
		t.Run(ending.String(), func(t *testing.T) {
			l := newLab(t)
			f := l.flow(loopback4)
			sent := l.countSent()
			l.queueUDP()
			q, cancel := l.openUntil(queue.Config{OnClose: ending, Grace: 10 * time.Millisecond})
			const n = 20
			f.number(0, n)
			packets := take(t, q, n)
			accept(t, packets[3])
			cancel()
			for range q.Packets() {
				t.Error("a packet came after the last")
			}
			eventually(t, "the queue has given up its packets", func() bool { return q.Stats().Abandoned == n-1 })
			for _, p := range packets {
				if err := p.Accept(); !errors.Is(err, queue.ErrClosed) {
					t.Errorf("Accept after the grace = %v, want ErrClosed", err)
				}
			}
			want := map[int]bool{3: true}
			if ending == queue.Accept {
				want = numbers(0, n)
			}
			f.wantNumbers(want)
			if got := sent(); got != len(want) {
				t.Errorf("%d packets were sent, want %d", got, len(want))
			}
			wantStats(t, q.Stats(), queue.Stats{
				Received: n, Decided: 1, Abandoned: n - 1,
				Accepted: uint64(len(want)), Dropped: uint64(n - len(want)),
			})
			l.reopen(queue.Config{})
		})
	}
}

// TestKernelContextCause checks that Err distinguishes the ways in which a
// context can end.
func TestKernelContextCause(t *testing.T) {
	why := errors.New("why")
	for _, test := range []struct {
		name  string
		with  func(context.Context) (context.Context, context.CancelFunc)
		cause error
	}{
		{"cancelled", context.WithCancel, nil},
		{"signal", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, stop := signal.NotifyContext(ctx, syscall.SIGUSR2)
			return ctx, func() {
				if err := syscall.Kill(syscall.Getpid(), syscall.SIGUSR2); err != nil {
					t.Fatal(err)
				}
				<-ctx.Done()
				stop()
			}
		}, nil},
		{"cause", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(ctx)
			return ctx, func() { cancel(why) }
		}, why},
		{"deadline", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
			return ctx, func() { <-ctx.Done(); cancel() }
		}, context.DeadlineExceeded},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t)
			ctx, end := test.with(l.ctx)
			var q *queue.Queue
			err := l.ns.Do(func() (err error) {
				q, err = queue.Open(ctx, queue.Config{})
				return err
			})
			if err != nil && ctx.Err() == nil {
				t.Fatal(err)
			}
			end()
			if err != nil {
				if !errors.Is(err, test.cause) {
					t.Errorf("Open = %v, want %v", err, test.cause)
				}
				return
			}
			for range q.Packets() {
				t.Error("a packet came")
			}
			if err := q.Err(); !errors.Is(err, test.cause) {
				t.Errorf("Err() = %v, want %v", err, test.cause)
			}
			l.reopen(queue.Config{})
		})
	}
}

func TestKernelOpenWithEndedContext(t *testing.T) {
	l := newLab(t)
	ctx, cancel := context.WithCancel(l.ctx)
	cancel()
	if _, err := queue.Open(ctx, queue.Config{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Open with an ended context = %v, want context.Canceled", err)
	}
}

// Every packet that the queue holds at Close passes, wherever it is: in the
// application's hands, in the channel, in the socket.
func TestKernelOnCloseAccept(t *testing.T) {
	for _, test := range []struct {
		name   string
		config queue.Config
		start  func(t *testing.T, q *queue.Queue, n int)
	}{
		{"unread", queue.Config{}, func(*testing.T, *queue.Queue, int) {}},
		{"channel full", queue.Config{Buffer: 50}, func(t *testing.T, q *queue.Queue, _ int) { take(t, q, 10) }},
		{"MaxUndecided reached", queue.Config{MaxUndecided: 100}, func(t *testing.T, q *queue.Queue, _ int) { take(t, q, 100) }},
		{"all in hands", queue.Config{}, func(t *testing.T, q *queue.Queue, n int) { take(t, q, n) }},
		{"between loops over All", queue.Config{}, func(_ *testing.T, q *queue.Queue, _ int) {
			held := 0
			for range q.All() {
				if held++; held == 70 {
					break
				}
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t)
			f := l.flow(loopback4)
			n := f.room(900)
			sent := l.countSent()
			l.queueUDP()
			test.config.OnClose = queue.Accept
			q := l.open(test.config)
			f.number(0, n)
			test.start(t, q, n)
			if err := q.Close(); err != nil {
				t.Error(err)
			}
			f.wantNumbers(numbers(0, n))
			if got := sent(); got != n {
				t.Errorf("%d packets were sent, want %d", got, n)
			}
			s := q.Stats()
			balanced(t, s)
			if s.Kernel.LastID != uint32(n) {
				t.Errorf("the kernel's row before the end: %+v, want last id %d", s.Kernel, n)
			}
		})
	}
}

// TestKernelOnCloseAcceptDuringFlood closes with OnClose Accept during a flood.
// If the rule contains bypass, no packet is lost.
func TestKernelOnCloseAcceptDuringFlood(t *testing.T) {
	l := newLab(t)
	sent := l.countSent()
	l.chain(netns.Output, 0, netns.Rule{
		Protocol: netns.UDP, Action: netns.Enqueue, Queue: netns.Queue{Bypass: true},
	})
	total := 0
	for round := range 20 {
		q := l.open(queue.Config{OnClose: queue.Accept})
		var decided atomic.Int64
		wait := l.judge(streams[round%2].of(q), func(p queue.Packet) error {
			err := p.Accept()
			if err == nil {
				decided.Add(1)
			}
			return err
		})
		var closed atomic.Bool
		stop := l.floodWithin(func(sent int) int {
			if closed.Load() {
				return burst
			}
			return inFlight - (sent - int(decided.Load()))
		})
		eventually(t, "the flood has begun", func() bool { return decided.Load() > int64(10*round) })
		q.Close()
		closed.Store(true)
		wait()
		total += stop()
		wantAccounts(t, q.Stats(), int(decided.Load()), queue.Accept, 1)
		if got := sent(); got != total || t.Failed() {
			t.Fatalf("round %d: %d packets were sent, want all %d", round, got, total)
		}
	}
}

// closings are the situations in which Close must not wait for anybody.
func TestKernelCloseWakesReader(t *testing.T) {
	for _, stream := range streams {
		t.Run(stream.name, func(t *testing.T) {
			l := newLab(t)
			f := l.flow(loopback4)
			l.queueUDP()
			for round := range 20 {
				q := l.open(queue.Config{})
				decided := make(chan struct{}, 1)
				wait := l.judge(stream.of(q), func(p queue.Packet) error {
					defer func() { decided <- struct{}{} }()
					return p.Accept()
				})
				if round%2 == 1 { // else it is about to read for the first time
					f.send("last")
					<-decided
				}
				if err := q.Close(); err != nil {
					t.Fatal(err)
				}
				wait()
				if err := q.Err(); err != nil {
					t.Fatalf("Err() = %v, want nil", err)
				}
			}
		})
	}
}

// A loop ends with its body in which Close was called.
func TestKernelCloseInsideLoop(t *testing.T) {
	for _, stream := range streams {
		for _, ending := range endings {
			t.Run(fmt.Sprint(stream.name, " ", ending), func(t *testing.T) {
				l := newLab(t)
				f := l.flow(loopback4)
				sent := l.countSent()
				l.queueUDP()
				passed := 0
				for round := range 20 {
					q := l.open(queue.Config{Buffer: 5 * (round % 4), OnClose: ending})
					const n = 200
					f.number(0, n)
					seen := 0
					for p := range stream.of(q) {
						if seen++; seen < 20 {
							accept(t, p)
							continue
						}
						if seen > 20 {
							t.Fatalf("packet %d came after Close", p.ID)
						}
						q.Close()
						if err := p.Accept(); !errors.Is(err, queue.ErrClosed) {
							t.Errorf("Accept after Close = %v, want ErrClosed", err)
						}
					}
					if err := q.Err(); err != nil {
						t.Errorf("Err() = %v, want nil", err)
					}
					s := q.Stats()
					passed += wantAccounts(t, s, 19, ending, 0)
					if got := sent(); got != passed || t.Failed() {
						t.Fatalf("round %d: %d packets were sent, want %d; %+v", round, got, passed, s)
					}
				}
			})
		}
	}
}

// wantAccounts checks that the counters of a closed queue add up, with the
// given number of packets decided by the application, and that they account for
// each id: the last row of the kernel contains the packets that were left
// pending. With senders that never pause, each of them may have a packet that
// the kernel is just queueing, and has numbered but not counted as pending, or
// the reverse. wantAccounts returns the number of packets that have passed.
func wantAccounts(t testing.TB, s queue.Stats, decided int, ending queue.Action, senders uint64) (passed int) {
	t.Helper()
	balanced(t, s)
	if s.Decided != uint64(decided) {
		t.Errorf("Decided = %d, want %d", s.Decided, decided)
	}
	if s.Kernel.Err != nil {
		t.Fatal(s.Kernel.Err)
	}
	if s.Missed > uint64(s.Kernel.SocketDropped) {
		t.Errorf("%d missed, the kernel dropped %d", s.Missed, s.Kernel.SocketDropped)
	}
	delivered := uint64(s.Kernel.LastID - s.Kernel.SocketDropped)
	if ending == queue.Accept {
		unread := delivered - s.Received
		return int(s.Accepted + unread)
	}
	if got := s.Received - s.Abandoned + uint64(s.Kernel.Pending); got > delivered+senders || got+senders < delivered {
		t.Errorf("%d decided and pending packets, %d delivered: %+v", got, delivered, s)
	}
	return int(s.Accepted)
}

func TestKernelCloseWhileChannelIsFull(t *testing.T) {
	for _, buffer := range []int{-1, 1, 10} {
		t.Run(at("buffer", buffer), func(t *testing.T) {
			l := newLab(t)
			f := l.flow(loopback4)
			l.queueUDP()
			q := l.open(queue.Config{Buffer: buffer})
			f.number(0, 100)
			packets := q.Packets()
			eventually(t, "the channel is full", func() bool { return len(packets) == max(buffer, 0) && q.Stats().Received > 0 })
			q.Close()
			for p := range packets {
				t.Errorf("packet %d came after Close", p.ID)
			}
			wantAccounts(t, q.Stats(), 0, queue.Drop, 0)
			f.wantNothing()
		})
	}
}

// Verdicts that race with Close are either sent or refused with ErrClosed.
func TestKernelCloseDuringVerdicts(t *testing.T) {
	for _, ending := range endings {
		t.Run(ending.String(), func(t *testing.T) {
			l := newLab(t)
			f := l.flow(loopback4)
			sent := l.countSent()
			l.queueUDP()
			passed := 0
			for range 20 {
				q := l.open(queue.Config{OnClose: ending})
				const n = 200
				f.number(0, n)
				packets := take(t, q, n)
				var decided atomic.Int64
				var group sync.WaitGroup
				for first := range 4 {
					group.Go(func() {
						for i := first; i < n; i += 4 {
							err := packets[i].Accept()
							if err == nil {
								decided.Add(1)
							} else if !errors.Is(err, queue.ErrClosed) {
								t.Error(err)
							}
						}
					})
				}
				for range 2 {
					group.Go(func() { q.Close() })
				}
				group.Wait()
				passed += wantAccounts(t, q.Stats(), int(decided.Load()), ending, 0)
				if got := sent(); got != passed || t.Failed() {
					t.Fatalf("%d packets were sent, want %d; %+v", got, passed, q.Stats())
				}
			}
		})
	}
}

func TestKernelAfterClose(t *testing.T) {
	l := newLab(t)
	f := l.flow(loopback4)
	l.queueUDP()
	q := l.open(queue.Config{})
	f.number(0, 1)
	p := take(t, q, 1)[0]
	fields := p
	for range 3 {
		if err := q.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	}
	for name, err := range map[string]error{
		"Accept":     p.Accept(),
		"Replace":    p.Replace(make([]byte, 28)),
		"ReplaceRaw": p.ReplaceRaw(make([]byte, 28)),
		"Requeue":    p.Decide(queue.Verdict{Action: queue.Requeue, Number: 1}),
		"SetMode":    q.SetMode(l.ctx, queue.MetaOnly),
	} {
		if !errors.Is(err, queue.ErrClosed) {
			t.Errorf("%s after Close = %v, want ErrClosed", name, err)
		}
	}
	if _, ok := <-q.Packets(); ok {
		t.Error("a packet came after Close")
	}
	if p.ID != fields.ID || p.Length != fields.Length || p.Hook != queue.HookOutput {
		t.Errorf("the packet's fields changed: %+v", p)
	}
	wantStats(t, q.Stats(), queue.Stats{Received: 1, Abandoned: 1, Dropped: 1})
}

// TestKernelCloseUnread closes a queue that was never read. Its stream has
// ended.
func TestKernelCloseUnread(t *testing.T) {
	for _, stream := range streams {
		l := newLab(t)
		q := l.open(queue.Config{})
		q.Close()
		for range stream.of(q) {
			t.Errorf("%s: a packet came after Close", stream.name)
		}
	}
}

// TestKernelAllGoesOn checks that the queue is open after a break, and that the
// next loop continues.
func TestKernelAllGoesOn(t *testing.T) {
	l := newLab(t)
	f := l.flow(loopback4)
	l.queueUDP()
	q := l.open(queue.Config{})
	const n = 100
	f.number(0, n)
	for i := range n {
		for p := range q.All() {
			if got := numberOf(p); got != i {
				t.Fatalf("packet %d came as number %d", got, i)
			}
			accept(t, p)
			break
		}
	}
	f.wantNumbers(numbers(0, n))
	wantStats(t, settled(t, q), queue.Stats{Received: n, Decided: n, Accepted: n})
}

// Queues are opened and closed while packets arrive all the time: each answer
// of the kernel is found among them, the number is free at once, and each id
// that the kernel gave is accounted for.
func TestKernelReopenDuringFlood(t *testing.T) {
	l := newLab(t)
	sent := l.countSent()
	l.queueUDP()
	pace := make(chan struct{}, inFlight)
	stop := l.floodWithin(func(int) int {
		select {
		case <-pace:
		case <-time.After(time.Millisecond): // nobody may be there
		}
		return burst
	})
	passed := 0
	for round := range 100 {
		ending := endings[round/2%2]
		q, err := l.tryOpen(queue.Config{OnClose: ending, Buffer: 16})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		decided := 0
		consume(streams[round%2].of(q), func(p queue.Packet) bool {
			switch err := p.Accept(); {
			case err == nil:
				decided++
			case !errors.Is(err, queue.ErrClosed):
				t.Error(err)
			}
			select {
			case pace <- struct{}{}:
			default:
			}
			if decided >= round {
				q.Close()
			}
			return true
		})
		q.Close()
		if passed += wantAccounts(t, q.Stats(), decided, ending, 1); t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
	stop()
	if got := sent(); got < passed {
		t.Errorf("%d packets were sent, the queues accepted %d", got, passed)
	}
}

// consume calls f for the packets of a stream. It is a loop.
func consume(packets iter.Seq[queue.Packet], f func(queue.Packet) bool) {
	for p := range packets {
		if !f(p) {
			return
		}
	}
}
