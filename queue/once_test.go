package queue_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue"
)

// TestOneVerdict lets many goroutines race for each packet.
func TestOneVerdict(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		const n, rivals = 200, 8
		j := s.inject(n)
		packets := s.nextN(n)
		won := make([]atomic.Int32, n)
		var all sync.WaitGroup
		for r := range rivals {
			all.Go(func() {
				for i := range packets {
					p := packets[(i+r*3)%n]
					var err error
					switch (i + r) % 4 {
					case 0:
						err = p.Accept()
					case 1:
						err = p.Drop()
					case 2:
						err = p.Replace(s.unrepaired(pattern(r)))
					case 3:
						err = p.Decide(queue.Verdict{Action: queue.Stop})
					}
					if err == nil {
						won[(i+r*3)%n].Add(1)
					} else if !errors.Is(err, queue.ErrDecided) {
						s.Errorf("%v, want ErrDecided", err)
					}
				}
			})
		}
		all.Wait()
		time.Sleep(10 * time.Millisecond)
		s.quiet()
		for i, j := range j {
			if got := won[i].Load(); got != 1 {
				s.Errorf("packet %d: %d verdicts succeeded, want 1", i, got)
			}
			if got := len(j.Result().Verdicts); got != 1 {
				s.Errorf("packet %d: the kernel got %d verdicts, want 1", i, got)
			}
		}
		if n := s.stats(); n.Decided != 200 || n.Refused != 0 {
			s.Errorf("%d decided, %d refused", n.Decided, n.Refused)
		}
	})
}

// A trial is one run of TestRandom.
type trial struct {
	*sim
	*rand.Rand
	mu     sync.Mutex
	wanted map[uint64]kerneltest.Fate // by id, of undecided packets that were decided
}

// TestRandom decides packets in any way, order and grouping, from several
// goroutines, while sends fail at random: no verdict is lost, none is doubled,
// each packet gets the one that was given.
func TestRandom(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
				r := trial{sim: s, Rand: rand.New(rand.NewPCG(seed, 1)), wanted: make(map[uint64]kerneltest.Fate)}
				r.run()
			})
		})
	}
}

func (r *trial) run() {
	r.Helper()
	c := queue.Config{Buffer: r.IntN(100) - 1, MaxUndecided: 20 + r.IntN(300)}
	if r.IntN(2) == 0 {
		r.openTelling(c)
	} else {
		r.open(c)
	}
	for range 8 {
		r.round()
	}
	if err := r.q.Err(); err != nil {
		r.Errorf("Err: %v", err)
	}
}

// round injects some packets, decides them, and checks their fates.
func (r *trial) round() {
	r.Helper()
	n := 1 + r.IntN(150)
	j := r.inject(n)
	r.socket().FailSend(r.IntN(20), r.IntN(4), [...]error{enobufs, eagain, enomem}[r.IntN(3)])
	clear(r.wanted)
	var deciders sync.WaitGroup
	var held []queue.Packet
	for range n {
		held = append(held, r.await())
		if len(held) < 1+r.IntN(20) {
			continue
		}
		r.Shuffle(len(held), func(i, k int) { held[i], held[k] = held[k], held[i] })
		deciders.Go(r.decider(held, r.Uint64()))
		held = nil
	}
	deciders.Go(r.decider(held, r.Uint64()))
	deciders.Wait()
	time.Sleep(50 * time.Millisecond)
	r.quiet()
	for i, j := range j {
		result := j.Result()
		if want := r.wanted[result.IDs[0]]; result.Fate != want || len(result.Verdicts) != 1 {
			r.Errorf("packet %d of %d: fate %v after %d verdicts, want %v after one", i, n, result.Fate, len(result.Verdicts), want)
		}
	}
	if s := r.stats(); s.Undecided != 0 || s.Refused != 0 {
		r.Errorf("%d undecided, %d refused", s.Undecided, s.Refused)
	}
}

// await takes the next packet, which may need a verdict's timer.
func (r *trial) await() queue.Packet {
	r.Helper()
	select {
	case p, ok := <-r.q.Packets():
		if ok {
			return p
		}
	case <-time.After(time.Minute):
	}
	r.Fatalf("no packet came: %v, %+v", r.q.Err(), r.q.Stats())
	panic("unreachable")
}

// decider decides packets in some way each.
func (r *trial) decider(packets []queue.Packet, seed uint64) func() {
	return func() {
		random := rand.New(rand.NewPCG(seed, 2))
		for _, p := range packets {
			var want kerneltest.Fate
			var err error
			id := p.ID // the kernel may give it to another packet as soon as it has the verdict
			switch k := random.IntN(10); {
			case k < 4:
				want, err = kerneltest.Accepted, p.Accept()
			case k < 7:
				want, err = kerneltest.Dropped, p.Drop()
			case k < 8:
				want, err = kerneltest.Stopped, p.Decide(queue.Verdict{Action: queue.Stop})
			default:
				want, err = kerneltest.Accepted, p.Replace(r.unrepaired(pattern(random.IntN(6000))))
			}
			r.mu.Lock()
			r.wanted[id] = want
			r.mu.Unlock()
			if err != nil {
				r.Errorf("packet %#x: %v", p.ID, err)
			}
		}
	}
}
