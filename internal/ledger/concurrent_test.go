package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A crowd is a ledger that many goroutines use at once, and what became of each
// packet: by id, which is the index.
type crowd struct {
	l      *Ledger
	in     *Intake
	slots  []*Slot // by id; a packet's sequence number is its id
	won    []atomic.Uint32
	got    []atomic.Uint32
	fails  atomic.Int32
	failed atomic.Int32
}

// send counts what the kernel got. Every verdict names its giver in the mark.
func (c *crowd) send(datagrams [][]byte) (int, error) {
	for i, d := range datagrams {
		if c.fails.Add(-1) >= 0 {
			c.failed.Add(1)
			return i, [...]error{syscall.ENOBUFS, syscall.EAGAIN}[i%2]
		}
		for ; len(d) > 0; d = d[16:] {
			c.got[binary.LittleEndian.Uint64(d)].Add(binary.LittleEndian.Uint32(d[8:]) + 1<<16)
		}
	}
	if len(datagrams)%3 == 0 {
		runtime.Gosched()
	}
	return len(datagrams), nil
}

// TestCrowd decides the same packets in all ways from many goroutines, while
// the reader enters more, sends fail and the deadline passes. One verdict for
// each packet succeeds and is sent, and ErrDecided is returned only for packets
// that were decided.
func TestCrowd(t *testing.T) {
	for _, processors := range []int{1, 0} {
		for _, deadline := range []time.Duration{0, time.Millisecond} {
			t.Run(fmt.Sprintf("GOMAXPROCS %d, deadline %v", processors, deadline), func(t *testing.T) {
				if processors > 0 {
					defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
				}
				runCrowd(t, deadline)
			})
		}
	}
}

func runCrowd(t *testing.T, deadline time.Duration) {
	const n, givers = 5000, 6
	c := &crowd{slots: make([]*Slot, n+1), won: make([]atomic.Uint32, n+1), got: make([]atomic.Uint32, n+1)}
	start := time.Now()
	var expired atomic.Int32
	c.l = New(Config{
		Encoder: randomEncoder{oneEach: true}, MaxUndecided: n,
		Send: c.send, Clock: func() int64 { return int64(time.Since(start)) },
		Backlog:  func() bool { return false },
		Deadline: deadline, OnDeadline: 3,
		Listener: Listener{
			Refused: func(id uint64, err error) { t.Errorf("refused %d: %v", id, err) },
			Expired: func(s *Slot, _ uint64) { expired.Add(1); c.won[s.ID].Add(1 << 16) },
			Dead:    func(err error) { t.Errorf("dead: %v", err) },
		},
	})
	c.in = NewIntake(c.l)
	var read atomic.Int64
	var all sync.WaitGroup
	all.Go(func() { // the reader
		rng := rand.New(rand.NewPCG(1, 1))
		for id := 1; id <= n; {
			for range min(1+rng.IntN(64), n+1-id) {
				s, seq, whole := c.in.Slot(uint64(id), 100+rng.IntN(2000))
				if whole && len(s.Buf) == 0 {
					s.Buf = make([]byte, 4096)
				}
				if seq != uint64(id) {
					t.Errorf("packet %d has number %d", id, seq)
				}
				c.in.Arrived(c.l.clock(), false)
				c.slots[id] = s
				id++
			}
			c.in.Enter(rng.IntN(2) == 0)
			read.Store(int64(id - 1))
			if rng.IntN(3) == 0 {
				c.in.SocketEmpty()
			}
			if rng.IntN(10) == 0 {
				c.fails.Store(int32(rng.IntN(3)))
			}
			if deadline > 0 && rng.IntN(20) == 0 {
				time.Sleep(deadline)
			}
		}
	})
	for g := range givers {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(2, uint64(g)))
			mark := Verdict{Action: 1, Mark: uint32(1 + g), MarkMask: ^uint32(0)}
			for id := 1; id <= n; {
				if int64(id) > read.Load() {
					runtime.Gosched()
					continue
				}
				s, seq := c.slots[id], uint64(id)
				var err error
				switch rng.IntN(4) {
				case 0, 1:
					err = s.Decide(seq, mark)
				case 2:
					if err = s.Claim(seq); err == nil {
						if rng.IntN(2) == 0 {
							s.Message = append(s.Message, "refused after all"...)
							runtime.Gosched()
							s.GiveBack()
							continue // and again
						}
						err = s.Submit(mark, false)
					}
				case 3:
					err = s.Decide(seq, mark)
				}
				switch {
				case err == nil:
					c.won[id].Add(1<<16 | uint32(1+g))
				case !errors.Is(err, ErrDecided):
					t.Errorf("packet %d: %v", id, err)
				case s.Open(seq):
					t.Errorf("packet %d is open although a call was told that it is decided", id)
				}
				id++
			}
		})
	}
	all.Wait()
	c.fails.Store(0)
	c.l.Shut()
	if !c.l.Settle(0) {
		t.Error("Settle reports that verdicts were not sent")
	}
	c.l.Close(2)
	for id := 1; id <= n; id++ {
		if won, got := c.won[id].Load(), c.got[id].Load(); won>>16 != 1 || won != got {
			t.Fatalf("packet %d: %d verdicts succeeded, %d were sent: %#x, %#x", id, won>>16, got>>16, won, got)
		}
	}
	counts := c.l.Counts()
	if counts.Received != n || counts.By[ByApplication]+counts.By[ByDeadline] != n || counts.By[ByDeadline] != uint64(expired.Load()) {
		t.Errorf("%+v, %d expired", counts, expired.Load())
	}
}

// TestUpToInCrowd calls DecideUpTo from several goroutines up to different
// packets, with messages encoded without the mutex.
func TestUpToInCrowd(t *testing.T) {
	const n = 3000
	c := &crowd{slots: make([]*Slot, n+1), won: make([]atomic.Uint32, n+1), got: make([]atomic.Uint32, n+1)}
	c.l = New(Config{
		Encoder: randomEncoder{oneEach: true}, MaxUndecided: n, Send: c.send, Backlog: func() bool { return false },
		Listener: Listener{Dead: func(err error) { t.Errorf("dead: %v", err) }},
	})
	c.in = NewIntake(c.l)
	for id := 1; id <= n; id++ {
		c.slots[id], _, _ = c.in.Slot(uint64(id), 100)
	}
	c.in.Enter(true)
	var sum atomic.Int64
	var all sync.WaitGroup
	for g := range 6 {
		all.Go(func() {
			v := Verdict{Action: 1, Mark: uint32(1 + g), MarkMask: ^uint32(0)}
			encode := func(s *Slot) {
				s.Message = plainEncoder{}.AppendVerdict(s.Message[:0], s.ID, v)
				if s.ID%100 == 0 {
					runtime.Gosched()
				}
			}
			if g%2 == 0 {
				encode = nil
			}
			for upTo := uint64(100 * (1 + g)); upTo <= n; upTo += 300 {
				k, err := c.l.DecideUpTo(upTo, v, encode)
				if err != nil {
					t.Error(err)
				}
				sum.Add(int64(k))
				for id := uint64(1); id <= upTo; id++ {
					if c.slots[id].Open(id) {
						t.Errorf("packet %d is open after DecideUpTo(%d)", id, upTo)
						return
					}
				}
			}
		})
	}
	all.Wait()
	if k, err := c.l.DecideUpTo(n, Verdict{Action: 1}, nil); err != nil || sum.Add(int64(k)) != n {
		t.Errorf("%d packets were decided, want %d; %v", sum.Load(), n, err)
	}
	c.l.Shut()
	c.l.Settle(0)
	for id := 1; id <= n; id++ {
		if got := c.got[id].Load() >> 16; got != 1 {
			t.Fatalf("packet %d got %d verdicts, want 1", id, got)
		}
	}
	c.l.Close(2)
}

// TestUpToPanics panics in the encoder. The claims are given back.
func TestUpToPanics(t *testing.T) {
	c := &crowd{got: make([]atomic.Uint32, 200)}
	c.l = New(Config{Encoder: plainEncoder{}, MaxUndecided: 200, Send: c.send, Backlog: func() bool { return false }})
	c.in = NewIntake(c.l)
	var slots []*Slot
	for id := range 100 {
		s, _, _ := c.in.Slot(uint64(id+1), 100)
		slots = append(slots, s)
	}
	c.in.Enter(false)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		_, _ = c.l.DecideUpTo(100, Verdict{Action: 1}, func(s *Slot) {
			if s.ID == 70 {
				panic("odd packet")
			}
			s.Message = plainEncoder{}.AppendVerdict(s.Message[:0], s.ID, Verdict{Action: 1})
		})
	}()
	for i, s := range slots {
		if open := s.Open(uint64(i + 1)); open != (i >= 64) {
			t.Errorf("packet %d is open: %v", i+1, open)
		}
	}
	if n, err := c.l.DecideUpTo(100, Verdict{Action: 2}, nil); n != 36 || err != nil {
		t.Errorf("DecideUpTo = %d, %v, want 36, nil", n, err)
	}
}

// TestUpToHoldsNobodyUp decides a packet while another goroutine encodes
// messages for many others.
func TestUpToHoldsNobodyUp(t *testing.T) {
	c := &crowd{got: make([]atomic.Uint32, 200)}
	c.l = New(Config{Encoder: plainEncoder{}, MaxUndecided: 200, Send: c.send, Backlog: func() bool { return false }})
	c.in = NewIntake(c.l)
	first, _, _ := c.in.Slot(1, 100)
	second, _, _ := c.in.Slot(2, 100)
	c.in.Enter(false)
	begun, decided := make(chan bool), make(chan bool)
	go func() {
		_, _ = c.l.DecideUpTo(1, Verdict{Action: 1}, func(s *Slot) {
			begun <- true
			<-decided
			s.Message = plainEncoder{}.AppendVerdict(s.Message[:0], s.ID, Verdict{Action: 1})
		})
		close(begun)
	}()
	<-begun
	if err := second.Decide(2, Verdict{Action: 2}); err != nil {
		t.Error(err)
	}
	close(decided)
	<-begun
	if first.Open(1) || second.Open(2) {
		t.Error("a packet is open")
	}
}

// TestRequestHasTurn sends requests while goroutines give verdicts without a
// pause and each send takes its time: a request waits for one send at most.
func TestRequestHasTurn(t *testing.T) {
	const n = 20000
	c := &crowd{slots: make([]*Slot, n+1)}
	var waited atomic.Int64 // sends since the request waits
	c.l = New(Config{
		Encoder: plainEncoder{}, MaxUndecided: n, Backlog: func() bool { return false },
		Send: func(d [][]byte) (int, error) {
			c.l.mu.Lock()
			if c.l.out.requests > 0 {
				waited.Add(1)
			}
			c.l.mu.Unlock()
			time.Sleep(100 * time.Microsecond)
			return len(d), nil
		},
		Request: func(d [][]byte) (int, error) {
			if got := waited.Swap(0); got > 1 {
				t.Errorf("a request waited for %d sends", got)
			}
			return len(d), nil
		},
	})
	c.in = NewIntake(c.l)
	for id := 1; id <= n; id++ {
		c.slots[id], _, _ = c.in.Slot(uint64(id), 100)
	}
	c.in.Enter(false)
	var next atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for id := next.Add(1); id <= n; id = next.Add(1) {
				if err := c.slots[id].Decide(uint64(id), Verdict{Action: 1, Mark: uint32(id), MarkMask: ^uint32(0)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for requests := 0; next.Load() < n; requests++ {
		time.Sleep(time.Millisecond)
		var err error
		if requests%2 == 0 {
			err = c.l.Request(nil)
		} else {
			err = c.l.LastRequest(nil)
			c.l.mu.Lock()
			c.l.out.lastRequest = false
			c.l.mu.Unlock()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	all.Wait()
}

// TestRequestGoesFirst lets verdicts wait behind a send that takes long. A request that
// waits too is sent before them.
func TestRequestGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 3 * maxRun
		var calls []string // one goroutine at a time makes them
		resume := make(chan bool)
		var slots []*Slot
		l := New(Config{
			Encoder: randomEncoder{}, MaxUndecided: n, Backlog: func() bool { return false },
			Send: func(d [][]byte) (int, error) {
				calls = append(calls, "send")
				<-resume
				return len(d), nil
			},
			Request: func(d [][]byte) (int, error) {
				calls = append(calls, "request")
				return len(d), nil
			},
		})
		in := NewIntake(l)
		for id := range n {
			s, _, _ := in.Slot(uint64(id+1), 100)
			slots = append(slots, s)
		}
		in.Enter(false)
		decide := func(i int) {
			if err := slots[i].Decide(uint64(i+1), Verdict{Action: 1}); err != nil {
				t.Error(err)
			}
		}
		go decide(0)
		synctest.Wait()
		go func() {
			if err := l.Request(nil); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		for i := range n - 1 {
			go decide(i + 1)
		}
		synctest.Wait()
		close(resume)
		synctest.Wait()
		if len(calls) < 3 || calls[0] != "send" || calls[1] != "request" {
			t.Errorf("calls %v, want a send, the request, and the other verdicts", calls)
		}
	})
}

// TestVerdictWaitsForRequest gives a verdict while a request has its turn.
func TestVerdictWaitsForRequest(t *testing.T) {
	sends := 0
	l := New(Config{
		Encoder: plainEncoder{}, MaxUndecided: 1, Backlog: func() bool { return false },
		Send: func(d [][]byte) (int, error) { sends++; return len(d), nil },
	})
	in := NewIntake(l)
	s, _, _ := in.Slot(1, 100)
	in.Enter(false)
	l.mu.Lock()
	l.out.requests = 1
	l.mu.Unlock()
	if err := s.Decide(1, Verdict{Action: 1}); err != nil || sends != 0 {
		t.Errorf("Decide = %v after %d sends, want none", err, sends)
	}
	l.mu.Lock()
	l.out.requests = 0
	l.out.flushNow()
	l.mu.Unlock()
	if sends != 1 {
		t.Errorf("%d sends, want 1", sends)
	}
}

// TestLimitRecovers refuses datagrams as too large for some time. Later
// verdicts are sent together again. In virtual time the timer sends none of
// them.
func TestLimitRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 20000
		longest := 100
		var sizes []int
		l := New(Config{
			Encoder: randomEncoder{}, MaxUndecided: n, Backlog: func() bool { return true },
			Send: func(d [][]byte) (int, error) {
				for i, d := range d {
					if len(d) > longest {
						return i, syscall.EMSGSIZE
					}
					sizes = append(sizes, len(d))
				}
				return len(d), nil
			},
		})
		in := NewIntake(l)
		var slots []*Slot
		for id := range n {
			s, _, _ := in.Slot(uint64(id+1), 100)
			slots = append(slots, s)
		}
		in.Enter(true)
		for i, s := range slots {
			if i == n/2 {
				longest = 1 << 20
			}
			if err := s.Decide(uint64(i+1), Verdict{Action: 1, Mark: uint32(i), MarkMask: ^uint32(0)}); err != nil {
				t.Fatal(err)
			}
		}
		l.Rest()
		if largest := sizes[len(sizes)-2]; largest != maxRun*16 {
			t.Errorf("at the end a send has %d bytes, want %d", largest, maxRun*16)
		}
		l.Close(0)
	})
}
