package queue_test

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
)

// afterTap returns the fate of packets that reach the rule after the kernel has
// stopped queueing.
func (s *sim) afterTap(onClose queue.Action) kerneltest.Fate {
	if onClose == queue.Accept && s.isNFQueue() {
		return kerneltest.FailedOpen
	}
	return kerneltest.Unwanted
}

// TestTapClosedFirst ends the context with packets in the application's hands,
// in the channel and in the socket. None comes after; those can be decided.
func TestTapClosedFirst(t *testing.T) {
	for onClose := range onClose {
		t.Run(onClose.String(), func(t *testing.T) {
			simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
				s.open(queue.Config{OnClose: onClose, Buffer: 2})
				j := s.inject(100)
				p := s.nextN(5)
				s.cancel(nil)
				s.quiet()
				s.fates(s.inject(3), s.afterTap(onClose))
				p = append(p, s.nextN(95)...)
				s.ended()
				if err := s.q.Err(); err != nil {
					s.Errorf("Err: %v, want nil", err)
				}
				for i, p := range p {
					if len(s.kernel.Sockets()) != 1 {
						s.Fatalf("the socket was closed with %d packets undecided", len(j)-i)
					}
					s.ok(p.Accept())
					s.quiet()
				}
				s.fates(j, kerneltest.Accepted)
				if n := len(s.kernel.Sockets()); n != 0 {
					s.Error("the socket is open after the last verdict")
				}
				if n := s.stats(); n.Decided != 100 || n.Abandoned != 0 {
					s.Errorf("%d decided, %d abandoned", n.Decided, n.Abandoned)
				}
			})
		})
	}
}

// TestStopUnread ends the context of a queue whose packets were never received.
func TestStopUnread(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		j := s.inject(3)
		s.cancel(nil)
		s.quiet()
		for _, p := range s.nextN(3) {
			s.ok(p.Accept())
		}
		s.fates(j, kerneltest.Accepted)
		s.ended()
	})
}

// TestStopInAll ends the context in the body of a loop over All, and between
// two loops.
func TestStopInAll(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		j := s.inject(100)
		n := 0
		loop := func(limit int) {
			for p := range s.q.All() {
				if n++; n == 10 {
					s.cancel(nil)
					s.quiet()
				}
				s.ok(p.Accept())
				if n == limit {
					break
				}
			}
		}
		loop(50)
		loop(0)
		s.fates(j, kerneltest.Accepted)
		if n != 100 {
			s.Errorf("%d packets came, want 100", n)
		}
		if n := len(s.kernel.Sockets()); n != 0 {
			s.Error("the socket is open after the last verdict")
		}
	})
}

// TestStopWaiting ends the context while the application waits for a packet.
func TestStopWaiting(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		done := make(chan bool)
		go func() {
			for range s.q.Packets() {
				s.Error("a packet came")
			}
			done <- true
		}()
		synctest.Wait()
		s.cancel(nil)
		<-done
		s.quiet()
		if n := len(s.kernel.Sockets()); n != 0 {
			s.Error("the socket is open")
		}
	})
}

// TestStopWaitingAll does the same in a loop over All.
func TestStopWaitingAll(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		time.AfterFunc(time.Hour, func() { s.cancel(nil) })
		for range s.q.All() {
			s.Error("a packet came")
		}
		s.quiet()
		if n := len(s.kernel.Sockets()); n != 0 {
			s.Error("the socket is open")
		}
	})
}

// TestGrace decides just before and just after the time is over.
func TestGrace(t *testing.T) {
	for _, tt := range []struct {
		grace time.Duration
		want  time.Duration // 0: no limit
	}{
		{0, 100 * time.Millisecond},
		{50 * time.Millisecond, 50 * time.Millisecond},
		{time.Hour, time.Hour},
		{-1, 0},
	} {
		t.Run(tt.grace.String(), func(t *testing.T) {
			simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
				s.open(queue.Config{Grace: tt.grace, Buffer: 1})
				j := s.inject(10)
				first, second := s.next(), s.next()
				s.cancel(nil)
				wait := tt.want
				if wait == 0 {
					wait = 1000 * time.Hour
				}
				time.Sleep(wait - time.Millisecond)
				s.ok(first.Accept())
				s.fate(j[0], kerneltest.Accepted)
				time.Sleep(2 * time.Millisecond)
				if tt.want == 0 {
					s.ok(second.Accept())
					return
				}
				if err := second.Accept(); !errors.Is(err, queue.ErrClosed) {
					s.Errorf("%v after the grace, want ErrClosed", err)
				}
				s.ended()
				s.fates(j[1:], kerneltest.Flushed)
				if n := s.stats(); n.Abandoned != n.Received-1 {
					s.Errorf("%d of %d abandoned", n.Abandoned, n.Received)
				}
			})
		})
	}
}

// TestGraceAccept gives what is left at the end of the grace Config.OnClose.
func TestGraceAccept(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{OnClose: queue.Accept, Buffer: 1})
		j := s.inject(100)
		s.next()
		s.cancel(nil)
		time.Sleep(2 * time.Second)
		s.fates(j, kerneltest.Accepted)
		s.stats()
	})
}

// TestStopDuringSend ends the context while a verdict is in the system call.
func TestStopDuringSend(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		j := s.inject(2)
		p := s.nextN(2)
		release := s.holdSends()
		go p[0].Accept()
		synctest.Wait()
		s.ok(p[1].Accept())
		s.cancel(nil)
		synctest.Wait()
		release()
		s.fates(j, kerneltest.Accepted)
		s.ended()
		if n := s.stats(); n.Decided != 2 {
			s.Errorf("%d decided, want 2", n.Decided)
		}
	})
}

// TestStopAtDeadline lets the context, the deadline and the grace end at the
// same moment.
func TestStopAtDeadline(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{Deadline: time.Second, OnDeadline: queue.Accept, Grace: time.Nanosecond})
		s.inject(100)
		s.next()
		time.AfterFunc(time.Second, func() { s.cancel(nil) })
		time.Sleep(2 * time.Second)
		n := s.stats()
		if n.Expired+n.Abandoned != 100 {
			s.Errorf("%d expired, %d abandoned, want 100 together", n.Expired, n.Abandoned)
		}
	})
}

// TestStopDuringSetMode ends the queue's context while a request waits for its
// answer, which then must not open the tap again.
func TestStopDuringSetMode(t *testing.T) {
	for name, begin := range readers {
		t.Run(name, func(t *testing.T) {
			simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
				s.open(queue.Config{Buffer: 1, Grace: 10 * time.Second})
				begin(s)
				s.kernel.HoldReplies()
				answer := make(chan error, 1)
				go func() { answer <- s.q.SetMode(context.Background(), queue.MetaOnly) }()
				synctest.Wait()
				s.cancel(nil)
				time.Sleep(3 * time.Second)
				before := s.injectOne().Fate()
				s.kernel.ReleaseReplies()
				<-answer
				s.quiet()
				if after := s.injectOne().Fate(); before == kerneltest.Pending || after == kerneltest.Pending {
					s.Errorf("fates %v and %v: packets are queued after the end", before, after)
				}
			})
		})
	}
}

func TestErr(t *testing.T) {
	cause := errors.New("told to")
	for name, tt := range map[string]struct {
		end  func(s *sim)
		want error
	}{
		"Close":              {func(s *sim) { s.q.Close() }, nil},
		"cancelled":          {func(s *sim) { s.cancel(nil) }, nil},
		"cancelled, cause":   {func(s *sim) { s.cancel(cause) }, cause},
		"cause, then Close":  {func(s *sim) { s.cancel(cause); synctest.Wait(); s.q.Close() }, cause},
		"Close, then cause":  {func(s *sim) { s.q.Close(); s.cancel(cause) }, nil},
		"cause is a timeout": {func(s *sim) { s.cancel(context.DeadlineExceeded) }, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, both, kerneltest.Options{}, func(s *sim) {
				s.open(queue.Config{})
				if err := s.q.Err(); err != nil {
					s.Errorf("Err before the end: %v", err)
				}
				s.q.Packets()
				tt.end(s)
				s.ended()
				if err := s.q.Err(); !errors.Is(err, tt.want) || (tt.want == nil) != (err == nil) {
					s.Errorf("Err: %v, want %v", err, tt.want)
				}
			})
		})
	}
}

// TestErrDeadline ends by the context's own deadline, which must not look like
// an ordinary end.
func TestErrDeadline(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		ctx, cancel := context.WithTimeout(s.ctx, time.Second)
		defer cancel()
		s.ctx = ctx
		s.open(queue.Config{})
		start := time.Now()
		for range s.q.Packets() {
			s.Error("a packet came")
		}
		if err := s.q.Err(); !errors.Is(err, context.DeadlineExceeded) {
			s.Errorf("Err: %v, want DeadlineExceeded", err)
		}
		if took := time.Since(start); took != time.Second {
			s.Errorf("the stream ended after %v, want 1s", took)
		}
	})
}

// TestErrBeforeEnd asks while packets are still to come.
func TestErrBeforeEnd(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{Buffer: 1})
		s.inject(5)
		s.next()
		s.cancel(errors.New("told to"))
		s.quiet()
		if err := s.q.Err(); err != nil {
			s.Errorf("Err before the channel is closed: %v, want nil", err)
		}
	})
}

// TestErrSignal ends by a signal, the way a program is stopped.
func TestErrSignal(t *testing.T) {
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	k := kerneltest.New(kerneltest.Options{})
	ctx, stop := signal.NotifyContext(sock.WithKernel(context.Background(), k), os.Interrupt)
	defer stop()
	q, err := queue.Open(ctx, queue.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if err := self.Signal(os.Interrupt); err != nil {
		t.Skipf("needs a process that can interrupt itself: %v", err)
	}
	for range q.Packets() {
		t.Error("a packet came")
	}
	if err := q.Err(); err != nil {
		t.Errorf("Err: %v, want nil", err)
	}
}

// TestStopForgets ends queues with each order of context, Close and the last
// verdict, with a long Grace. Nothing keeps their memory alive.
func TestStopForgets(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(q *queue.Queue, cancel func())
	}{
		{"Close", func(q *queue.Queue, _ func()) { q.Close() }},
		{"context and Close", func(q *queue.Queue, cancel func()) {
			cancel()
			<-q.Packets()
			q.Close()
		}},
		{"context alone", func(q *queue.Queue, cancel func()) {
			cancel()
			<-q.Packets()
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			kernel := kerneltest.New(kerneltest.Options{Modules: nfqueueKind.modules, Layout: nfqueueKind.layout})
			ctx, cancel := context.WithCancel(sock.WithKernel(t.Context(), kernel))
			defer cancel()
			collected := make(chan struct{})
			func() {
				q, err := nfqueueKind.open(ctx, queue.Config{Grace: time.Hour})
				if err != nil {
					t.Fatal(err)
				}
				runtime.AddCleanup(q, func(c chan struct{}) { close(c) }, collected)
				test.end(q, cancel)
			}()
			eventually(t, "the queue is collected", func() bool {
				runtime.GC()
				select {
				case <-collected:
					return true
				default:
					return false
				}
			})
		})
	}
}
