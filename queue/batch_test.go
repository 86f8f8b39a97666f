package queue_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue"
)

// TestBatchSparesUndecided decides all packets but some: those wait on, however
// the verdicts are put together.
func TestBatchSparesUndecided(t *testing.T) {
	for name, spared := range map[string]func(i int) bool{
		"the first": func(i int) bool { return i == 0 },
		"the last":  func(i int) bool { return i == 63 },
		"one":       func(i int) bool { return i == 30 },
		"each 10th": func(i int) bool { return i%10 == 0 },
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
				s.open(queue.Config{})
				j := s.inject(64)
				packets := s.nextN(64)
				for i, p := range packets {
					if !spared(i) {
						s.ok(p.Accept())
					}
				}
				s.quiet()
				for i, j := range j {
					want := kerneltest.Accepted
					if spared(i) {
						want = kerneltest.Pending
					}
					if got := j.Fate(); got != want {
						s.Errorf("fate of packet %d is %v, want %v", i, got, want)
					}
				}
			})
		})
	}
}

// TestBatchSparesUnread decides all packets that were read, while one with an
// id between theirs waits in the socket. A batch verdict must not decide that
// one.
func TestBatchSparesUnread(t *testing.T) {
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{MaxUndecided: 5})
		first := s.inject(3)
		s.kernel.SetLastID(simNumber, 9)
		second := s.inject(2) // 10 and 11
		s.kernel.SetLastID(simNumber, 3)
		unread := s.injectOne() // 4, by another processor
		packets := s.nextN(5)
		if s.socket().Unread() != 1 {
			s.Fatalf("%d datagrams are unread, want 1", s.socket().Unread())
		}
		release := s.holdSends()
		go packets[0].Accept()
		synctest.Wait()
		for _, p := range packets[1:] {
			s.ok(p.Accept())
		}
		release()
		s.quiet()
		s.fates(first, kerneltest.Accepted)
		s.fates(second, kerneltest.Accepted)
		if got := unread.Fate(); got != kerneltest.Pending {
			s.Fatalf("the packet that nobody has seen is %v", got)
		}
		s.ok(s.next().Drop())
		s.fate(unread, kerneltest.Dropped)
	})
}

// TestBatchOverWrap decides packets whose ids wrap.
func TestBatchOverWrap(t *testing.T) {
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		s.kernel.SetLastID(simNumber, 1<<32-20)
		j := s.inject(40)
		for i, p := range s.nextN(40) {
			if i != 10 && i != 35 {
				s.ok(p.Drop())
			}
		}
		s.quiet()
		for i, j := range j {
			want := kerneltest.Dropped
			if i == 10 || i == 35 {
				want = kerneltest.Pending
			}
			if got := j.Fate(); got != want {
				s.Errorf("fate of packet %d is %v, want %v", i, got, want)
			}
		}
	})
}

// TestBatchMixed gives runs of equal verdicts, with others among them that no
// batch can carry: each packet gets its own.
func TestBatchMixed(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
				random := rand.New(rand.NewPCG(seed, 3))
				s.open(queue.Config{})
				for range 5 {
					s.kernel.SetLastID(simNumber, uint32(random.IntN(1<<30)))
					j := s.inject(200)
					want := make([]kerneltest.Fate, len(j))
					action, marked := queue.Accept, false
					for i, p := range s.nextN(len(j)) {
						if random.IntN(8) == 0 {
							action = [...]queue.Action{queue.Accept, queue.Drop, queue.Stop}[random.IntN(3)]
							marked = random.IntN(4) == 0
						}
						if random.IntN(40) == 0 {
							continue // undecided
						}
						v := queue.Verdict{Action: action}
						if marked {
							v.Mark = 5
						}
						s.ok(p.Decide(v))
						want[i] = [...]kerneltest.Fate{queue.Accept: kerneltest.Accepted, queue.Drop: kerneltest.Dropped,
							queue.Stop: kerneltest.Stopped}[action]
					}
					time.Sleep(time.Millisecond)
					s.quiet()
					for i, j := range j {
						if got := j.Fate(); got != want[i] {
							s.Errorf("fate of packet %d is %v, want %v", i, got, want[i])
						}
					}
				}
			})
		})
	}
}

// TestBatchRetried fails to send at every place of a run.
func TestBatchRetried(t *testing.T) {
	for after := range 4 {
		simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
			s.open(queue.Config{})
			j := s.inject(200)
			packets := s.nextN(200)
			s.socket().FailSend(after, 2, enobufs)
			for i, p := range packets {
				if i%50 == 49 {
					s.ok(p.Replace(s.unrepaired(pattern(6000))))
				} else {
					s.ok(p.Accept())
				}
			}
			time.Sleep(20 * time.Millisecond)
			s.fates(j, kerneltest.Accepted)
			if n := s.stats(); n.Decided != 200 || n.Accepted != 200 || n.Replaced != 4 {
				s.Errorf("%d decided, %d accepted, %d replaced", n.Decided, n.Accepted, n.Replaced)
			}
		})
	}
}

// TestBatchUsed checks that verdicts for consecutive packets are sent in one
// message, unless OnRefused is set.
func TestBatchUsed(t *testing.T) {
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		for tell, want := range map[bool]int{false: 60, true: 0} {
			if tell {
				s.openTelling(queue.Config{})
			} else {
				s.open(queue.Config{})
			}
			j := s.inject(64)
			for range j {
				s.ok(s.next().Accept())
			}
			s.fates(j, kerneltest.Accepted)
			together := 0
			for _, j := range j {
				if j.Result().Verdicts[0].Batch {
					together++
				}
			}
			if together < want || want == 0 && together > 0 {
				s.Errorf("OnRefused %t: %d of 64 verdicts came in a batch, want %d", tell, together, want)
			}
			s.ok(s.q.Close())
		}
	})
}
