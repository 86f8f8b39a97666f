package queue_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue"
)

// onClose maps Config.OnClose to the fate of undecided packets.
var onClose = map[queue.Action]kerneltest.Fate{
	0:            kerneltest.Flushed,
	queue.Drop:   kerneltest.Flushed,
	queue.Accept: kerneltest.Accepted,
}

// TestClose closes with packets in every state: decided, shown and not decided,
// in the channel, and still in the socket.
func TestClose(t *testing.T) {
	for action, fate := range onClose {
		t.Run(action.String(), func(t *testing.T) {
			simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
				s.open(queue.Config{OnClose: action, Buffer: 3, MaxUndecided: 10})
				j := s.inject(30)
				p := s.nextN(4)
				s.ok(p[1].Accept())
				s.ok(p[3].Drop())
				s.ok(s.q.Close())
				for i, j := range j {
					want := fate
					switch i {
					case 1:
						want = kerneltest.Accepted
					case 3:
						want = kerneltest.Dropped
					}
					if got := j.Fate(); got != want {
						s.Errorf("fate of packet %d is %v, want %v", i, got, want)
					}
				}
				s.ended()
				if err := s.q.Err(); err != nil {
					s.Errorf("Err: %v", err)
				}
				if n := s.stats(); n.Decided != 2 || n.Undecided != 0 {
					s.Errorf("%+v, want 2 decided and none undecided", n)
				}
			})
		})
	}
}

// TestClosePayload checks that the payload of a packet that Close decides stays
// as it is, also while Close reads the packets that are still in the socket.
func TestClosePayload(t *testing.T) {
	for action := range onClose {
		t.Run(action.String(), func(t *testing.T) {
			simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
				s.open(queue.Config{OnClose: action, MaxUndecided: 10})
				s.inject(30)
				held := s.nextN(10)
				var want [][]byte
				for _, p := range held {
					want = append(want, p.Clone())
				}
				s.ok(s.q.Close())
				for i, p := range held {
					if !bytes.Equal(p.Payload, want[i]) {
						s.Errorf("payload of packet %d is % x after Close, was % x", i, p.Payload, want[i])
					}
				}
			})
		})
	}
}

// TestCloseKernelStats keeps the kernel's row as it was.
func TestCloseKernelStats(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		s.inject(5)
		s.nextN(5)
		before := s.stats().Kernel
		s.ok(s.q.Close())
		if after := s.stats().Kernel; after != before || after.Err != nil || after.Pending != 5 {
			s.Errorf("Stats.Kernel is %+v, was %+v", after, before)
		}
	})
}

// What Stats returns while the queue closes is final.
func TestStatsWhileClosing(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		s.inject(5)
		s.nextN(5)
		release := s.holdSends()
		go s.q.Close()
		synctest.Wait()
		stats := make(chan queue.Stats, 1)
		go func() { stats <- s.q.Stats() }()
		synctest.Wait()
		release()
		if n := <-stats; n.Undecided != 0 || n.Abandoned != 5 {
			s.Errorf("%d undecided, %d abandoned, want 0, 5", n.Undecided, n.Abandoned)
		}
	})
}

func TestCloseUnused(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{OnClose: queue.Accept})
		j := s.inject(3)
		s.ok(s.q.Close())
		s.fates(j, kerneltest.Accepted)
		s.ended()
		for range s.q.Packets() {
			s.Error("a packet came after Close")
		}
	})
}

// TestCloseMany closes from many goroutines at once, some of which decide.
func TestCloseMany(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		s.inject(100)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 5 {
					p, ok := <-s.q.Packets()
					if !ok {
						break
					}
					if err := p.Accept(); err != nil && !errors.Is(err, queue.ErrClosed) {
						s.Errorf("Accept: %v", err)
					}
				}
				if err := s.q.Close(); err != nil {
					s.Errorf("Close: %v", err)
				}
				if n := len(s.kernel.Sockets()); n != 0 {
					s.Error("Close returned before the queue was closed")
				}
			})
		}
		all.Wait()
		s.ended()
	})
}

// TestCloseInRange closes inside a loop over the channel, which must end at
// once, however full the channel and the reader's hands are.
func TestCloseInRange(t *testing.T) {
	for _, buffer := range []int{-1, 1, 10, 512} {
		simulate(t, both, kerneltest.Options{}, func(s *sim) {
			for range 50 {
				s.open(queue.Config{Buffer: buffer})
				s.inject(100)
				turns := 0
				for p := range s.q.Packets() {
					turns++
					s.ok(p.Accept())
					s.ok(s.q.Close())
				}
				if turns != 1 {
					s.Fatalf("Buffer %d: %d turns, want 1", buffer, turns)
				}
				s.stats()
			}
		})
	}
}

// TestCloseWhileBlocked closes while the reader waits for room in the channel,
// for a decision, or for packets.
func TestCloseWhileBlocked(t *testing.T) {
	for name, c := range map[string]queue.Config{
		"channel full": {Buffer: 1},
		"MaxUndecided": {MaxUndecided: 3},
		"nothing left": {},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, both, kerneltest.Options{}, func(s *sim) {
				s.open(c)
				s.inject(10)
				s.next()
				synctest.Wait()
				s.ok(s.q.Close())
				s.ended()
			})
		})
	}
}

// TestCloseWhileSending closes while a verdict is in the system call and others
// wait behind it: all of them are sent.
func TestCloseWhileSending(t *testing.T) {
	for _, action := range []queue.Action{queue.Drop, queue.Accept} {
		simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
			s.open(queue.Config{OnClose: action})
			j := s.inject(400)
			p := s.nextN(400)
			release := s.holdSends()
			for i := range 300 {
				if i == 0 {
					go p[0].Accept()
					synctest.Wait()
					continue
				}
				s.ok(p[i].Accept())
			}
			closed := make(chan struct{})
			go func() {
				defer close(closed)
				s.q.Close()
			}()
			synctest.Wait()
			if err := p[300].Accept(); !errors.Is(err, queue.ErrClosed) {
				s.Errorf("verdict after Close began: %v, want ErrClosed", err)
			}
			release()
			<-closed
			s.fates(j[:300], kerneltest.Accepted)
			s.fates(j[300:], onClose[action])
			if n := s.stats(); n.Decided != 300 || n.Abandoned != 100 {
				s.Errorf("%d decided, %d abandoned, want 300 and 100", n.Decided, n.Abandoned)
			}
		})
	}
}

// TestEndWhoeverHangs ends the queue, by Close or by its context, while the
// program hangs: it ends in time, and what is undecided gets OnClose.
func TestEndWhoeverHangs(t *testing.T) {
	for name, program := range hangs {
		for i, c := range []queue.Config{{}, {Buffer: 1}, {MaxUndecided: 12}, {Deadline: 5 * time.Second}} {
			for end, call := range map[string]func(s *sim){
				"Close":  func(s *sim) { s.ok(s.q.Close()) },
				"cancel": func(s *sim) { s.cancel(nil); time.Sleep(time.Second + time.Millisecond) },
			} {
				t.Run(fmt.Sprintf("%s, %s, %d", end, name, i), func(t *testing.T) {
					simulate(t, both, kerneltest.Options{}, func(s *sim) {
						c.Grace, c.OnClose = time.Second, queue.Accept
						hung := make(chan struct{})
						c.OnExpired = func(queue.Packet) { <-hung }
						s.open(c)
						over := make(chan struct{})
						go func() {
							defer close(over)
							program(s, func() { <-hung }, func(p queue.Packet) { _ = p.Accept() })
						}()
						j := s.inject(500)
						s.quiet()
						start := time.Now()
						call(s)
						if took := time.Since(start); took > time.Second+time.Millisecond {
							s.Errorf("the end took %v", took)
						}
						if n := len(s.kernel.Sockets()); n != 0 {
							s.Errorf("%d sockets are open", n)
						}
						s.fates(j, kerneltest.Accepted)
						close(hung)
						<-over
					})
				})
			}
		}
	}
}

// TestCloseSlowly lets each system call take long, so that everything that a
// timer or the context does falls into the middle of Close.
func TestCloseSlowly(t *testing.T) {
	for _, action := range []queue.Action{queue.Drop, queue.Accept} {
		simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
			s.open(queue.Config{OnClose: action, Deadline: 40 * time.Millisecond})
			s.inject(300)
			p := s.nextN(300)
			s.setOnSend(func([]byte) { time.Sleep(time.Millisecond) })
			var all sync.WaitGroup
			for _, p := range p[:250] {
				all.Go(func() {
					if err := p.Accept(); err != nil && !errors.Is(err, queue.ErrClosed) {
						s.Errorf("Accept: %v", err)
					}
				})
			}
			all.Go(func() { s.cancel(nil) })
			all.Go(func() { s.q.Close() })
			all.Wait()
			time.Sleep(10 * time.Millisecond) // the last system call of the context's end
		})
	}
}

// TestCloseDuringRefusedVerdicts lets refused verdicts race with Close. A
// packet that a call has claimed gets Config.OnClose like any other.
func TestCloseDuringRefusedVerdicts(t *testing.T) {
	tooLong := make([]byte, 70000)
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		for range 5 {
			s.open(queue.Config{OnClose: queue.Accept})
			j := s.inject(20)
			packets := s.nextN(20)
			var all, started sync.WaitGroup
			started.Add(2)
			for i := range 2 {
				all.Go(func() {
					started.Done()
					for k := i; !errors.Is(packets[k%20].Replace(tooLong), queue.ErrClosed); k++ {
					}
				})
			}
			started.Wait()
			s.ok(s.q.Close())
			all.Wait()
			for i, j := range j {
				if got := j.Fate(); got != kerneltest.Accepted {
					s.Fatalf("fate of packet %d is %v, want Accepted", i, got)
				}
			}
		}
	})
}

// TestCloseDuringSetMode gives up a request whose answer does not come.
func TestCloseDuringSetMode(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		s.q.Packets()
		s.kernel.HoldReplies()
		answer := make(chan error, 2)
		for range 2 {
			go func() { answer <- s.q.SetMode(s.ctx, queue.MetaOnly) }()
		}
		synctest.Wait()
		s.ok(s.q.Close())
		for range 2 {
			if err := <-answer; !errors.Is(err, queue.ErrClosed) {
				s.Errorf("SetMode: %v, want ErrClosed", err)
			}
		}
		s.kernel.ReleaseReplies()
	})
}

// TestCloseInOnRefused calls Close from the callback.
func TestCloseInOnRefused(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		calls := 0
		s.open(queue.Config{OnRefused: func(uint64, error) {
			calls++
			s.q.Close()
		}})
		s.inject(2)
		p := s.nextN(2)
		s.kernel.RefuseVerdicts(1, enoent)
		s.ok(p[0].Accept())
		s.quiet()
		s.ended()
		if calls != 1 {
			s.Errorf("OnRefused was called %d times, want 1", calls)
		}
	})
}

// TestCloseTellsLastRefusals refuses the verdicts that Close sends on.
func TestCloseTellsLastRefusals(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.openTelling(queue.Config{})
		s.inject(2)
		p := s.nextN(2)
		s.kernel.RefuseVerdicts(1, enoent)
		release := s.holdSends()
		go p[0].Accept()
		synctest.Wait()
		s.ok(p[1].Accept())
		time.AfterFunc(time.Millisecond, release)
		s.ok(s.q.Close())
		got := s.refused()
		if len(got) != 1 || got[0].id != p[0].ID || !errors.Is(got[0].err, enoent) {
			s.Errorf("OnRefused was told %v, want ENOENT for %#x", got, p[0].ID)
		}
		if n := s.stats(); n.Refused != 1 || n.Late != 1 {
			s.Errorf("%d refused, %d late, want 1 and 1", n.Refused, n.Late)
		}
	})
}

// TestCloseWithoutMemory closes while the kernel takes no verdicts: it does not
// wait for ever.
func TestCloseWithoutMemory(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		s.inject(3)
		p := s.next()
		s.socket().FailSend(0, 1<<30, enobufs)
		s.ok(p.Accept())
		start := time.Now()
		s.ok(s.q.Close())
		if took := time.Since(start); took > time.Second {
			s.Errorf("Close took %v", took)
		}
		if n := s.stats(); n.Decided != 0 || n.Abandoned == 0 || n.SendRetries == 0 {
			s.Errorf("%+v", n)
		}
	})
}
