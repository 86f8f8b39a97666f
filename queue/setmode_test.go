package queue_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
)

// readers are the states that the queue's reader can be in when a mode is set.
var readers = map[string]func(s *sim){
	"none":    func(*sim) {},
	"waiting": func(s *sim) { s.q.Packets(); synctest.Wait() },
	"blocked": func(s *sim) { s.inject(5); s.q.Packets(); synctest.Wait() },
}

func TestSetMode(t *testing.T) {
	for name, begin := range readers {
		t.Run(name, func(t *testing.T) {
			simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
				s.open(queue.Config{Buffer: 1})
				begin(s)
				before := s.kernel.Pending()
				for m, want := range map[queue.Mode]int{
					queue.MetaOnly: 0, queue.Range(33): 33, queue.WholePacket: len(s.datagram(32)),
					queue.Range(math.MaxInt): len(s.datagram(32)),
				} {
					s.ok(s.q.SetMode(s.ctx, m))
					s.injectOne()
					for range before {
						s.ok(s.next().Accept())
					}
					before = 0
					p := s.next()
					if got := len(p.Payload); got != want {
						s.Errorf("%v: %d bytes, want %d", m, got, want)
					}
					s.ok(p.Accept())
				}
				s.ok(s.q.SetMode(s.ctx, queue.DropAll))
				s.fate(s.injectOne(), kerneltest.Unwanted)
			})
		})
	}
}

// TestSetModeContextEnded asks the kernel for nothing if the context has ended.
func TestSetModeContextEnded(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		ended, cancel := context.WithCancel(s.ctx)
		cancel()
		for range 20 {
			if err := s.q.SetMode(ended, queue.MetaOnly); !errors.Is(err, context.Canceled) {
				s.Fatalf("SetMode = %v, want context.Canceled", err)
			}
		}
		s.injectOne()
		p := s.next()
		if len(p.Payload) == 0 {
			s.Error("the mode has changed")
		}
		s.ok(p.Accept())
	})
}

// TestSetModeNoneKeepsQueued can still decide what came before.
func TestSetModeNoneKeepsQueued(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		j := s.injectOne()
		s.ok(s.q.SetMode(s.ctx, queue.DropAll))
		s.ok(s.next().Accept())
		s.fate(j, kerneltest.Accepted)
	})
}

func TestSetModeInvalid(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		if err := s.q.SetMode(s.ctx, -3); !errors.Is(err, queue.ErrInvalid) {
			s.Errorf("%v, want ErrInvalid", err)
		}
		if n := len(s.sentSoFar()); n != 0 {
			s.Errorf("%d datagrams were sent", n)
		}
	})
}

// TestSetModeRefused hands the kernel's refusal to the caller.
func TestSetModeRefused(t *testing.T) {
	for name, begin := range readers {
		t.Run(name, func(t *testing.T) {
			simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
				s.open(queue.Config{Buffer: 1})
				begin(s)
				s.kernel.SetPrivileged(false)
				err := s.q.SetMode(s.ctx, queue.MetaOnly)
				var op *queue.OpError
				if !errors.Is(err, eperm) || !errors.As(err, &op) || op.Op != "set mode" {
					s.Errorf("%#v, want EPERM of set mode", err)
				}
				s.kernel.SetPrivileged(true)
				s.ok(s.q.SetMode(s.ctx, queue.MetaOnly))
				if err := s.q.Err(); err != nil {
					s.Errorf("Err: %v", err)
				}
			})
		})
	}
}

// TestSetModeInLoop sets the mode from the loop that ranges over the packets,
// with the channel full and more in the socket.
func TestSetModeInLoop(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{Buffer: 2})
		j := s.inject(500)
		n := 0
		for p := range s.q.Packets() {
			if ids := j[n].Result().IDs; p.ID != ids[0] {
				s.Fatalf("packet %d is %#x, want %#x", n, p.ID, ids[0])
			}
			if n%50 == 0 {
				s.ok(s.q.SetMode(s.ctx, queue.MetaOnly))
			}
			s.ok(p.Accept())
			if n++; n == len(j) {
				break
			}
		}
		s.fates(j, kerneltest.Accepted)
	})
}

// TestSetModeInAll sets the mode from the body of a loop over All.
func TestSetModeInAll(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		j := s.inject(300)
		n := 0
		for p := range s.q.All() {
			if ids := j[n].Result().IDs; p.ID != ids[0] {
				s.Fatalf("packet %d is %#x, want %#x", n, p.ID, ids[0])
			}
			s.ok(s.q.SetMode(s.ctx, queue.MetaOnly))
			s.ok(p.Accept())
			if n++; n == len(j) {
				break
			}
		}
		s.fates(j, kerneltest.Accepted)
	})
}

// TestSetModeWithoutRoom sets the mode while MaxUndecided packets wait for the
// one who calls, again and again: it may fail, but not hang.
func TestSetModeWithoutRoom(t *testing.T) {
	for _, pull := range []bool{false, true} {
		simulate(t, both, kerneltest.Options{}, func(s *sim) {
			s.open(queue.Config{MaxUndecided: 1})
			j := s.inject(5)
			packets := s.q.All()
			if !pull {
				ch := s.q.Packets()
				packets = func(yield func(queue.Packet) bool) {
					for p := range ch {
						if !yield(p) {
							return
						}
					}
				}
			}
			n := 0
			for p := range packets {
				synctest.Wait()
				ctx, cancel := context.WithTimeout(s.ctx, time.Minute)
				err := s.q.SetMode(ctx, queue.MetaOnly)
				cancel()
				if err != nil && !errors.Is(err, enobufs) {
					s.Errorf("pull %t: %v", pull, err)
				}
				s.ok(p.Accept())
				if n++; n == len(j) {
					break
				}
			}
			s.fates(j, kerneltest.Accepted)
		})
	}
}

// TestSetModeRepeated loses answers: the request is made again, with another
// sequence number.
func TestSetModeRepeated(t *testing.T) {
	for name, begin := range readers {
		t.Run(name, func(t *testing.T) {
			simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
				s.open(queue.Config{Buffer: 1})
				begin(s)
				times := 0
				s.setOnSend(func([]byte) { times++ })
				s.kernel.LoseReplies(2)
				s.ok(s.q.SetMode(s.ctx, queue.MetaOnly))
				if times != 3 {
					s.Errorf("asked %d times, want 3", times)
				}
			})
		})
	}
}

// TestSetModeLateAnswer answers only after the request was made again: both
// answers come, one is taken, and the next request gets its own.
func TestSetModeLateAnswer(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		s.q.Packets()
		s.kernel.HoldReplies()
		time.AfterFunc(600*time.Millisecond, s.kernel.ReleaseReplies)
		s.ok(s.q.SetMode(s.ctx, queue.MetaOnly))
		s.kernel.SetPrivileged(false)
		if err := s.q.SetMode(s.ctx, queue.MetaOnly); !errors.Is(err, eperm) {
			s.Errorf("next request: %v, want its own answer EPERM", err)
		}
		s.kernel.SetPrivileged(true)
	})
}

// TestSetModeConcurrent asks from many goroutines, while others decide.
func TestSetModeConcurrent(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{Buffer: 4})
		j := s.inject(200)
		answers := make(chan error)
		for i := range 8 {
			go func() { answers <- s.q.SetMode(s.ctx, queue.Range(100+i)) }()
		}
		go func() {
			for p := range s.q.Packets() {
				if err := p.Accept(); err != nil {
					s.Errorf("Accept: %v", err)
				}
			}
		}()
		for range 8 {
			s.ok(<-answers)
		}
		s.fates(j, kerneltest.Accepted)
	})
}

// TestSetModeContextEnds ends the call's context while its answer is held.
func TestSetModeContextEnds(t *testing.T) {
	cause := errors.New("no more patience")
	for name, begin := range readers {
		t.Run(name, func(t *testing.T) {
			simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
				s.open(queue.Config{Buffer: 1})
				begin(s)
				s.kernel.HoldReplies()
				ctx, cancel := context.WithTimeoutCause(s.ctx, 700*time.Millisecond, cause)
				defer cancel()
				start := time.Now()
				if err := s.q.SetMode(ctx, queue.MetaOnly); !errors.Is(err, cause) {
					s.Errorf("%v, want the cause of the context's end", err)
				}
				if took := time.Since(start); took != 700*time.Millisecond {
					s.Errorf("returned after %v, want 700ms", took)
				}
				s.kernel.ReleaseReplies()
				s.ok(s.q.SetMode(s.ctx, queue.WholePacket))
			})
		})
	}
}

// TestSetModeHoldsNobodyUp has SetMode wait for an answer that does not come,
// while packets come and the program takes them. They are delivered meanwhile.
func TestSetModeHoldsNobodyUp(t *testing.T) {
	const n, most = 500, 2 * time.Millisecond
	for _, pull := range []bool{false, true} {
		t.Run(fmt.Sprintf("pull %t", pull), func(t *testing.T) {
			simulate(t, both, kerneltest.Options{}, func(s *sim) {
				s.open(queue.Config{Buffer: -1})
				take := taker(s.q, pull)
				s.inject(2)
				set := make(chan error, 1)
				take(1, func(p queue.Packet) { // the reader has the other packet, and does not read
					synctest.Wait()
					s.kernel.HoldReplies()
					go func() { set <- s.q.SetMode(s.ctx, queue.Range(1000)) }()
					synctest.Wait()
					s.ok(p.Accept())
				})
				for i := range n {
					s.injectOne()
					synctest.Wait()
					start := time.Now()
					take(1, func(p queue.Packet) { s.ok(p.Accept()) })
					if took := time.Since(start); took > most {
						s.Errorf("packet %d came after %v, want at most %v", i, took, most)
					}
				}
				take(1, func(p queue.Packet) { s.ok(p.Accept()) })
				s.kernel.ReleaseReplies()
				s.ok(<-set)
			})
		})
	}
}

// A hurriedSocket calls hurry before a read deadline in the future is set.
type hurriedSocket struct {
	sock.Socket
	hurry func()
}

func (s *hurriedSocket) SetReadDeadline(t time.Time) error {
	if time.Until(t) > 0 && s.hurry != nil {
		s.hurry()
	}
	return s.Socket.SetReadDeadline(t)
}

type hurriedKernel struct {
	*kerneltest.Kernel
	socket *hurriedSocket
}

func (k *hurriedKernel) Open(c sock.Config) (sock.Socket, error) {
	s, err := k.Kernel.Open(c)
	k.socket.Socket = s
	return k.socket, err
}

// TestSetModeContextEndsBeforeWait ends the call's context just before the call
// waits for packets. The call does not wait.
func TestSetModeContextEndsBeforeWait(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		k := &hurriedKernel{s.kernel, new(hurriedSocket)}
		s.ctx = sock.WithKernel(s.ctx, k)
		s.open(queue.Config{})
		s.kernel.HoldReplies()
		ctx, cancel := context.WithCancel(s.ctx)
		var ended time.Time
		k.socket.hurry = func() {
			cancel()
			time.Sleep(time.Millisecond) // what the end of ctx wakes, it wakes now
			ended = time.Now()
			k.socket.hurry = nil
		}
		if err := s.q.SetMode(ctx, queue.MetaOnly); !errors.Is(err, context.Canceled) {
			s.Errorf("%v, want the end of the context", err)
		}
		if waited := time.Since(ended); ended.IsZero() || waited != 0 {
			s.Errorf("returned %v after the end of the context, want at once", waited)
		}
	})
}

// TestSetModeTurnEnds ends the context of a call that waits for another's
// turn.
func TestSetModeTurnEnds(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		s.kernel.HoldReplies()
		first := make(chan error, 1)
		go func() { first <- s.q.SetMode(s.ctx, queue.MetaOnly) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(s.ctx, time.Second)
		defer cancel()
		if err := s.q.SetMode(ctx, queue.MetaOnly); !errors.Is(err, context.DeadlineExceeded) {
			s.Errorf("%v, want the deadline", err)
		}
		s.kernel.ReleaseReplies()
		s.ok(<-first)
	})
}

// TestSetModeInOnRefused asks from the callback, also from one that runs
// within another request.
func TestSetModeInOnRefused(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		var inner error
		calls := 0
		s.open(queue.Config{OnRefused: func(uint64, error) {
			calls++
			ctx, cancel := context.WithTimeout(s.ctx, time.Minute)
			defer cancel()
			inner = s.q.SetMode(ctx, queue.MetaOnly)
		}})
		s.inject(2)
		// Without a reader the refusal is read by SetMode.
		n := 0
		for p := range s.q.All() {
			s.kernel.RefuseVerdicts(1, enoent)
			s.ok(p.Accept())
			s.quiet()
			s.ok(s.q.SetMode(s.ctx, queue.MetaOnly))
			if n++; n == 2 {
				break
			}
		}
		s.quiet() // OnRefused is called on a goroutine of its own
		if calls == 0 || inner != nil {
			s.Errorf("OnRefused was called %d times, its SetMode: %v", calls, inner)
		}
	})
}

// TestSetModeAfterContext must not open the tap again.
func TestSetModeAfterContext(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		s.injectOne()
		p := s.next()
		s.cancel(nil)
		s.quiet()
		_ = s.q.SetMode(context.Background(), queue.WholePacket)
		s.fate(s.injectOne(), kerneltest.Unwanted)
		s.ok(p.Accept())
	})
}

func TestSetModeAfterClose(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		s.ok(s.q.Close())
		if err := s.q.SetMode(s.ctx, queue.MetaOnly); !errors.Is(err, queue.ErrClosed) {
			s.Errorf("%v, want ErrClosed", err)
		}
	})
}

// A range of no bytes is refused, whatever number it was made of: it is neither
// the whole packet nor a mode of another name.
func TestSetModeRefusesRange(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{Mode: queue.Range(20)})
		s.setOnSend(func([]byte) { s.Error("the kernel was asked") })
		for _, n := range []int{0, -1, -2, -3, math.MinInt} {
			m := queue.Range(n)
			if err := s.q.SetMode(s.ctx, m); !errors.Is(err, queue.ErrInvalid) {
				s.Errorf("SetMode(Range(%d)): %v, want %v", n, err, queue.ErrInvalid)
			}
			q, err := queue.Open(s.ctx, queue.Config{Backend: queue.NFQueue, Number: 77, Mode: m})
			if q != nil || !errors.Is(err, queue.ErrInvalid) {
				s.Errorf("Open with Range(%d) = %v, %v, want %v", n, q, err, queue.ErrInvalid)
			}
		}
		s.setOnSend(nil)
		s.injectOne()
		p := s.next()
		if len(p.Payload) != 20 {
			s.Errorf("a packet has %d bytes, want 20", len(p.Payload))
		}
		s.ok(p.Accept())
	})
}
