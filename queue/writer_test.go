package queue_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue"
)

// TestSendAlone gives one verdict at a time: each is sent before the call
// returns.
func TestSendAlone(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		for range 5 {
			j := s.injectOne()
			p := s.next()
			synctest.Wait()
			s.ok(p.Accept())
			if got := j.Fate(); got != kerneltest.Accepted {
				s.Errorf("fate is %v when the call returns, want Accepted", got)
			}
		}
	})
}

// TestSendAlonePulled does the same in a loop over All, where the reader has
// not yet checked for more packets when the verdict is given.
func TestSendAlonePulled(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		for range 3 {
			j := s.injectOne()
			for p := range s.q.All() {
				s.ok(p.Accept())
				if got := j.Fate(); got != kerneltest.Accepted {
					s.Errorf("fate is %v when the call returns, want Accepted", got)
				}
				break
			}
		}
	})
}

// TestSendWaits gives one of several verdicts: it may wait for the others, but
// no longer than 100 microseconds.
func TestSendWaits(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		j := s.inject(10)
		p := s.next()
		synctest.Wait()
		s.ok(p.Accept())
		time.Sleep(100 * time.Microsecond)
		synctest.Wait()
		if got := j[0].Fate(); got != kerneltest.Accepted {
			s.Errorf("fate after 100µs is %v, want Accepted", got)
		}
	})
}

// TestSendWaitsBlocked does the same with the reader blocked on the full
// channel.
func TestSendWaitsBlocked(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{Buffer: -1})
		j := s.inject(200)
		for i, j := range j[:50] {
			s.ok(s.next().Accept())
			time.Sleep(100 * time.Microsecond)
			synctest.Wait()
			if got := j.Fate(); got != kerneltest.Accepted {
				s.Fatalf("fate of packet %d after 100µs is %v, want Accepted", i, got)
			}
		}
	})
}

// TestSendBacklog makes many verdicts wait for a slow system call. When it
// returns, none of them waits longer than 100 microseconds.
func TestSendBacklog(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		j := s.inject(640)
		packets := s.nextN(640)
		release := s.holdSends()
		go packets[0].Drop()
		synctest.Wait()
		for _, p := range packets[1:] {
			s.ok(p.Accept())
		}
		release()
		time.Sleep(100 * time.Microsecond)
		synctest.Wait()
		waiting := 0
		for _, j := range j {
			if j.Fate() == kerneltest.Pending {
				waiting++
			}
		}
		if waiting > 0 {
			s.Errorf("%d verdicts wait after 100µs", waiting)
		}
	})
}

// TestSendTogether counts system calls and datagrams for many verdicts given
// one after the other.
func TestSendTogether(t *testing.T) {
	for _, n := range []int{64, 640} {
		simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
			tap := s.tapped()
			calls, datagrams := 0, 0
			s.open(queue.Config{Buffer: n})
			s.inject(n)
			packets := s.nextN(n - 1)
			tap.onSend = func(d [][]byte) { calls, datagrams = calls+1, datagrams+len(d) }
			for _, p := range packets {
				s.ok(p.Accept())
			}
			s.quiet()
			if most := n/64 + 1; calls > most {
				s.Errorf("%d verdicts in %d system calls, want at most %d", n-1, calls, most)
			}
			want := calls
			if !s.isNFQueue() {
				want = n - 1 // the kernel looks at the first message of a datagram only
			}
			if datagrams != want {
				s.Errorf("%d verdicts in %d datagrams, want %d", n-1, datagrams, want)
			}
		})
	}
}

// TestSendOrder sends verdicts in the order in which they were given, small and
// large ones mixed, also when some must be sent again.
func TestSendOrder(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		const n = 300
		s.inject(n)
		packets := s.nextN(n)
		var want []verdictMessage
		sizes := []int{0, 1, 2, 3, 100, 1401, 4095, 5001, 30003, 65000}
		release := s.holdSends()
		for i := range n {
			p := packets[(i*7)%n]
			v := verdictMessage{id: p.ID}
			switch i % 3 {
			case 0:
				if i == 0 {
					go p.Drop()
					synctest.Wait()
				} else {
					s.ok(p.Drop())
				}
			case 1:
				s.ok(p.Accept())
			case 2:
				b := s.unrepaired(pattern(sizes[i%len(sizes)]))
				v.payload = len(b)
				s.ok(p.Replace(b))
			}
			want = append(want, v)
		}
		s.socket().FailSend(17, 3, enobufs)
		release()
		s.quiet()
		time.Sleep(10 * time.Millisecond)
		got := s.messages()
		if len(got) != len(want) {
			s.Fatalf("%d verdicts were sent, want %d", len(got), len(want))
		}
		for i := range want {
			if got[i] != want[i] {
				s.Fatalf("verdict %d is %+v, want %+v", i, got[i], want[i])
			}
		}
	})
}

// TestSendRetried sends verdicts while the kernel temporarily has no memory.
func TestSendRetried(t *testing.T) {
	for _, errno := range []error{enobufs, enomem, eagain} {
		t.Run(errno.Error(), func(t *testing.T) {
			simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
				s.open(queue.Config{})
				j := s.inject(100)
				packets := s.nextN(100)
				s.socket().FailSend(7, 3, errno)
				for _, p := range packets {
					s.ok(p.Accept())
				}
				time.Sleep(100 * time.Millisecond)
				s.fates(j, kerneltest.Accepted)
				if n := s.stats(); n.Decided != 100 || (n.SendRetries != 3 && !s.isNFQueue()) {
					s.Errorf("%d decided, %d retries, want 100 and 3", n.Decided, n.SendRetries)
				}
			})
		})
	}
}

// TestSendSplit sends a datagram that is too large for the kernel. It is halved
// until it fits.
func TestSendSplit(t *testing.T) {
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		for _, times := range []int{1, 3, 6} {
			s.openTelling(queue.Config{})
			j := s.inject(64)
			packets := s.nextN(64)
			release := s.holdSends()
			go packets[0].Accept()
			synctest.Wait()
			for i, p := range packets[1:] {
				s.ok(p.Decide(queue.Verdict{Action: queue.Accept, Mark: uint32(i + 1)}))
			}
			s.socket().FailSend(0, times, emsgsize)
			release()
			time.Sleep(100 * time.Millisecond)
			s.fates(j, kerneltest.Accepted)
			if got := len(s.sentSoFar()); got < min(1<<times, 64) {
				s.Errorf("EMSGSIZE %d times: %d datagrams for 64 verdicts", times, got)
			}
			if got := s.refused(); len(got) != 0 {
				s.Errorf("EMSGSIZE %d times: OnRefused was told %v", times, got)
			}
			s.stats()
			s.ok(s.q.Close())
		}
	})
}

// TestSendTooLarge sends a verdict that is too large for any datagram. The
// others are sent, and OnRefused is called.
func TestSendTooLarge(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.openTelling(queue.Config{})
		j := s.inject(3)
		packets := s.nextN(3)
		release := s.holdSends()
		go packets[0].Accept()
		synctest.Wait()
		s.ok(packets[1].Replace(s.unrepaired(pattern(50000))))
		s.ok(packets[2].Drop())
		s.socket().FailSend(0, 1, emsgsize)
		release()
		s.fate(j[0], kerneltest.Accepted)
		s.fate(j[1], kerneltest.Pending)
		s.fate(j[2], kerneltest.Dropped)
		got := s.refused()
		if len(got) != 1 || got[0].id != packets[1].ID || !errors.Is(got[0].err, emsgsize) {
			s.Errorf("OnRefused was told %v, want EMSGSIZE for %#x", got, packets[1].ID)
		}
		if n := s.stats(); n.Refused != 1 {
			s.Errorf("%d refused, want 1", n.Refused)
		}
		if err := s.q.Err(); err != nil {
			s.Errorf("Err: %v", err)
		}
	})
}

// TestVerdictEPERM removes the privilege. The stream ends, and Err returns the
// reason.
func TestVerdictEPERM(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.openTelling(queue.Config{})
		s.inject(10)
		p := s.nextN(2)
		s.ok(p[0].Accept())
		s.quiet()
		s.kernel.SetPrivileged(false)
		_ = p[1].Accept()
		s.quiet()
		s.ended()
		err := s.q.Err()
		if !errors.Is(err, eperm) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
			s.Errorf("Err: %v, want EPERM that names CAP_NET_ADMIN", err)
		}
		if got := s.refused(); len(got) != 1 || got[0].id != p[1].ID || !errors.Is(got[0].err, eperm) {
			s.Errorf("OnRefused was told %v, want EPERM for %#x", got, p[1].ID)
		}
		if n := len(s.kernel.Sockets()); n != 0 {
			s.Error("the socket is still open")
		}
	})
}

// TestVerdictModuleGone unloads ip_queue under a queue.
func TestVerdictModuleGone(t *testing.T) {
	simulate(t, ipQueueKinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		s.inject(3)
		p := s.next()
		s.kernel.Unload(s.modules)
		_ = p.Accept()
		s.quiet()
		s.ended()
		if err := s.q.Err(); !errors.Is(err, econnrefused) || !strings.Contains(err.Error(), "not loaded") {
			s.Errorf("Err: %v, want ECONNREFUSED that says what happened", err)
		}
	})
}

// TestSendConcurrent gives verdicts from many goroutines at once.
func TestSendConcurrent(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		j := s.inject(1000)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for p := range s.q.Packets() {
					if err := p.Accept(); err != nil {
						s.Errorf("Accept: %v", err)
					}
				}
			})
		}
		time.Sleep(10 * time.Millisecond)
		s.fates(j, kerneltest.Accepted)
		s.ok(s.q.Close())
		all.Wait()
	})
}
