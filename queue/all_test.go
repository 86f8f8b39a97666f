package queue_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue"
)

// TestAllBreak breaks the loop after each packet. The next loop continues with
// the other packets, in order, and nothing is read in between.
func TestAllBreak(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		j := s.inject(100)
		for i := range j {
			for p := range s.q.All() {
				if ids := j[i].Result().IDs; p.ID != ids[0] {
					s.Fatalf("packet %d is %#x, want %#x", i, p.ID, ids[0])
				}
				s.ok(p.Accept())
				break
			}
			if i == 40 {
				unread := s.socket().Unread()
				s.quiet()
				if got := s.socket().Unread(); got != unread || got == 0 {
					s.Errorf("%d datagrams in the socket, want %d still", got, unread)
				}
			}
		}
		s.fates(j, kerneltest.Accepted)
	})
}

// TestAllBreakSends checks that verdicts are sent although the loop has ended.
func TestAllBreakSends(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		j := s.inject(10)
		for p := range s.q.All() {
			s.ok(p.Accept())
			break
		}
		synctest.Wait() // no time passes
		if got := j[0].Fate(); got != kerneltest.Accepted {
			s.Errorf("fate after break is %v, want Accepted", got)
		}
	})
}

// TestAllContinue skips packets, which stay undecided.
func TestAllContinue(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		j := s.inject(10)
		n := 0
		for p := range s.q.All() {
			if n++; n%2 == 1 {
				continue
			}
			s.ok(p.Drop())
			if n == 10 {
				break
			}
		}
		s.quiet()
		for i, j := range j {
			want := kerneltest.Pending
			if i%2 == 1 {
				want = kerneltest.Dropped
			}
			if got := j.Fate(); got != want {
				s.Errorf("fate of packet %d is %v, want %v", i, got, want)
			}
		}
	})
}

// TestAllWaits takes packets that come while the loop waits, from another
// goroutine than the one that decides.
func TestAllWaits(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		got := make(chan queue.Packet)
		go func() {
			defer close(got)
			for p := range s.q.All() {
				got <- p
			}
		}()
		for range 20 {
			j := s.injectOne()
			s.ok((<-got).Accept())
			s.fate(j, kerneltest.Accepted)
		}
		s.ok(s.q.Close())
		if _, ok := <-got; ok {
			s.Error("a packet came after Close")
		}
	})
}

// TestAllClose closes within the loop.
func TestAllClose(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		j := s.inject(100)
		n := 0
		for p := range s.q.All() {
			if n++; n == 3 {
				s.ok(s.q.Close())
				continue
			}
			s.ok(p.Accept())
		}
		if n != 3 {
			s.Errorf("%d turns, want 3", n)
		}
		s.fates(j[:2], kerneltest.Accepted)
		s.fates(j[2:], kerneltest.Flushed)
		for range s.q.All() {
			s.Error("a packet came after Close")
		}
		if err := s.q.Err(); err != nil {
			s.Errorf("Err: %v", err)
		}
	})
}

// wantPanic fails the test unless f panics with a text that names the words.
func wantPanic(t testing.TB, f func(), words ...string) {
	t.Helper()
	defer func() {
		t.Helper()
		text, _ := recover().(string)
		for _, w := range words {
			if !strings.Contains(text, w) {
				t.Errorf("panic says %q, want it to name %s", text, w)
			}
		}
	}()
	f()
	t.Error("there was no panic")
}

func TestAllAfterPackets(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		s.q.Packets()
		wantPanic(s, func() {
			for range s.q.All() {
			}
		}, "All", "Packets")
		j := s.injectOne()
		s.ok(s.next().Accept())
		s.fate(j, kerneltest.Accepted)
	})
}

func TestPacketsAfterAll(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		j := s.inject(3)
		for p := range s.q.All() {
			wantPanic(s, func() { s.q.Packets() }, "All", "Packets")
			s.ok(p.Accept())
			break
		}
		for range 2 {
			wantPanic(s, func() { s.q.Packets() }, "All", "Packets")
		}
		for p := range s.q.All() {
			s.ok(p.Accept())
			break
		}
		s.fates(j[:2], kerneltest.Accepted)
	})
}

// TestAllTwice starts a second loop in the body of the first, and on another
// goroutine.
func TestAllTwice(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		j := s.inject(2)
		second := func() {
			for range s.q.All() {
			}
		}
		for p := range s.q.All() {
			wantPanic(s, second, "All")
			done := make(chan bool)
			go func() {
				defer close(done)
				wantPanic(s, second, "All")
			}()
			<-done
			s.ok(p.Accept())
			break
		}
		for p := range s.q.All() {
			s.ok(p.Accept())
			break
		}
		s.fates(j, kerneltest.Accepted)
	})
}

// TestAllPanics panics in the body of a loop. The next loop continues.
func TestAllPanics(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		j := s.inject(2)
		wantPanic(s, func() {
			for p := range s.q.All() {
				s.ok(p.Accept())
				panic("mine")
			}
		}, "mine")
		for p := range s.q.All() {
			s.ok(p.Accept())
			break
		}
		s.fates(j, kerneltest.Accepted)
	})
}

// TestAllUnused makes the sequence without ranging over it, which decides
// nothing.
func TestAllUnused(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		_ = s.q.All()
		j := s.injectOne()
		s.ok(s.next().Accept())
		s.fate(j, kerneltest.Accepted)
	})
}
