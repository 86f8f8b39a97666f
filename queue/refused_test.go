package queue_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue"
)

// TestRefused makes the kernel refuse some of many verdicts. OnRefused is
// called for these, and the stream continues.
func TestRefused(t *testing.T) {
	for _, errno := range []kerneltest.Errno{enoent, einval, enodev} {
		t.Run(errno.Error(), func(t *testing.T) {
			simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
				s.openTelling(queue.Config{})
				j := s.inject(100)
				packets := s.nextN(100)
				for i, p := range packets {
					if i == 50 {
						s.quiet()
						s.kernel.RefuseVerdicts(10, errno)
					}
					s.ok(p.Accept())
				}
				got := s.refused()
				if len(got) != 10 {
					s.Fatalf("OnRefused was told %d times, want 10", len(got))
				}
				for i, r := range got {
					if want := packets[50+i].ID; r.id != want || !errors.Is(r.err, errno) {
						s.Errorf("OnRefused was told %#x, %v, want %#x, %v", r.id, r.err, want, errno)
					}
				}
				s.fates(j[:50], kerneltest.Accepted)
				s.fates(j[60:], kerneltest.Accepted)
				late := uint64(0)
				if errno == enoent {
					late = 10
				}
				if n := s.stats(); n.Refused != 10 || n.Late != late || n.Decided != 100 {
					s.Errorf("%d refused, %d late, %d decided, want 10, %d and 100", n.Refused, n.Late, n.Decided, late)
				}
				if err := s.q.Err(); err != nil {
					s.Errorf("Err: %v", err)
				}
			})
		})
	}
}

// TestLate decides packets that the kernel gave up.
func TestLate(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.openTelling(queue.Config{})
		j := s.injectByEth0()
		p := s.next()
		s.kernel.LinkDown(eth0)
		s.fate(j, kerneltest.Flushed)
		s.ok(p.Accept())
		if got := s.refused(); len(got) != 1 || got[0].id != p.ID || !errors.Is(got[0].err, enoent) {
			s.Errorf("OnRefused was told %v, want ENOENT for %#x", got, p.ID)
		}
		if n := s.stats(); n.Late != 1 || n.Refused != 1 {
			s.Errorf("%d late, %d refused, want 1 and 1", n.Late, n.Refused)
		}
	})
}

// TestRefusedNoCallback counts refusals without a callback, of batch verdicts
// as well.
func TestRefusedNoCallback(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		for i := range 10 {
			s.injectByEth0()
			if i < 3 {
				s.injectOne()
			}
		}
		packets := s.nextN(13)
		s.kernel.LinkDown(eth0)
		for _, p := range packets {
			s.ok(p.Accept())
		}
		n := s.stats()
		if s.isNFQueue() {
			if n.Late > 10 {
				s.Errorf("%d late, want at most 10", n.Late)
			}
			return
		}
		if n.Late != 10 || n.Refused != 10 {
			s.Errorf("%d late, %d refused, want 10 and 10", n.Late, n.Refused)
		}
	})
}

// TestRefusalsInterleaved holds the replies back, so that they come among
// later packets.
func TestRefusalsInterleaved(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.openTelling(queue.Config{})
		s.kernel.HoldReplies()
		var want []uint64
		for range 20 {
			s.injectOne()
			p := s.next()
			s.kernel.RefuseVerdicts(1, enoent)
			s.ok(p.Accept())
			s.quiet()
			want = append(want, p.ID)
		}
		s.inject(5)
		s.kernel.ReleaseReplies()
		s.inject(5)
		s.nextN(10)
		got := s.refused()
		if len(got) != len(want) {
			s.Fatalf("OnRefused was told %d times, want %d", len(got), len(want))
		}
		for i, r := range got {
			if r.id != want[i] {
				s.Errorf("refusal %d is of %#x, want %#x", i, r.id, want[i])
			}
		}
	})
}

// TestOnRefusedMayCall uses the queue from the callback.
func TestOnRefusedMayCall(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		var other queue.Packet
		done := make(chan error, 1)
		s.open(queue.Config{OnRefused: func(uint64, error) {
			s.q.Stats()
			s.q.Err()
			done <- other.Accept()
		}})
		j := s.inject(2)
		p := s.nextN(2)
		other = p[1]
		s.kernel.RefuseVerdicts(1, enoent)
		s.ok(p[0].Accept())
		s.quiet()
		select {
		case err := <-done:
			s.ok(err)
		default:
			s.Fatal("OnRefused hangs or was not called")
		}
		s.fate(j[1], kerneltest.Accepted)
	})
}

// TestOnRefusedSlow blocks in the callback. Packets and verdicts continue.
func TestOnRefusedSlow(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		held := make(chan struct{})
		s.open(queue.Config{OnRefused: func(uint64, error) { <-held }})
		s.inject(3)
		p := s.nextN(3)
		s.kernel.RefuseVerdicts(2, enoent)
		s.ok(p[0].Accept())
		s.ok(p[1].Accept())
		s.quiet()
		j := s.injectOne()
		s.ok(s.next().Accept())
		s.fate(j, kerneltest.Accepted)
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			s.q.Close()
		}()
		synctest.Wait()
		select {
		case <-closed:
		default:
			s.Error("Close waits for the application's callback")
		}
		close(held)
		<-closed
	})
}

// TestUnbound destroys the queue behind its owner's back.
func TestUnbound(t *testing.T) {
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.openTelling(queue.Config{})
		s.injectOne()
		p := s.next()
		s.kernel.Unbind(simNumber)
		s.ok(p.Accept())
		if got := s.refused(); len(got) != 1 || !errors.Is(got[0].err, enodev) {
			s.Errorf("OnRefused was told %v, want ENODEV", got)
		}
		if n := s.stats(); n.Kernel.Err == nil {
			s.Error("Stats.Kernel has a row of a queue that is not there")
		}
	})
}
