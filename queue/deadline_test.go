package queue_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
)

// TestDeadline gives the configured verdict when the time is over, and not
// before.
func TestDeadline(t *testing.T) {
	for action, want := range map[queue.Action]kerneltest.Fate{
		0: kerneltest.Dropped, queue.Drop: kerneltest.Dropped, queue.Accept: kerneltest.Accepted,
	} {
		t.Run(action.String(), func(t *testing.T) {
			simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
				s.open(queue.Config{Deadline: time.Second, OnDeadline: action, Buffer: 1})
				j := s.inject(10)
				first, second := s.next(), s.next()
				payload := second.Clone()
				s.ok(first.Decide(queue.Verdict{Action: queue.Stop}))
				time.Sleep(time.Second - time.Millisecond)
				s.fate(j[0], kerneltest.Stopped)
				s.fates(j[1:], kerneltest.Pending)
				time.Sleep(2 * time.Millisecond)
				s.fates(j[1:], want)
				if err := second.Accept(); !errors.Is(err, queue.ErrDecided) {
					s.Errorf("verdict after the deadline: %v, want ErrDecided", err)
				}
				s.inject(50) // their buffers must not be those of the others
				if !bytes.Equal(second.Payload, payload) {
					s.Error("the payload changed although the application gave no verdict")
				}
				n := s.stats()
				if n.Expired != 9 || n.Decided != 1 || n.BuffersLeft != 9 {
					s.Errorf("%d expired, %d decided, %d buffers left, want 9, 1 and 9", n.Expired, n.Decided, n.BuffersLeft)
				}
			})
		})
	}
}

// TestDeadlineEach sends packets at different times. Each expires at its own
// time.
func TestDeadlineEach(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{Deadline: time.Second})
		s.q.Packets()
		var j []*kerneltest.Journey
		for range 20 {
			j = append(j, s.injectOne())
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(50 * time.Millisecond)
		for i, j := range j {
			want := kerneltest.Dropped
			if i > 10 {
				want = kerneltest.Pending
			}
			if got := j.Fate(); got != want {
				s.Errorf("fate of packet %d is %v, want %v", i, got, want)
			}
		}
		time.Sleep(time.Second)
		s.fates(j, kerneltest.Dropped)
	})
}

// TestDeadlineUnderPressure frees places by the deadline alone.
func TestDeadlineUnderPressure(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{Deadline: time.Second, MaxUndecided: 5})
		s.q.Packets()
		j := s.inject(20)
		time.Sleep(time.Minute)
		s.fates(j, kerneltest.Dropped)
		if n := s.stats(); n.Expired != 20 {
			s.Errorf("%d expired, want 20", n.Expired)
		}
	})
}

// TestDeadlineOfRefusedVerdict lets refused verdicts race with the deadline,
// which also applies to a packet that was claimed at that moment. It uses real
// time, because claims are too short in virtual time.
func TestDeadlineOfRefusedVerdict(t *testing.T) {
	k := kerneltest.New(kerneltest.Options{})
	q, err := queue.Open(sock.WithKernel(t.Context(), k), queue.Config{Deadline: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	tooLong := make([]byte, 70000)
	raced := 0
	for raced < 100 {
		j := k.Inject(kerneltest.Packet{Payload: simUDP(false, pattern(9))})
		var p queue.Packet
		select {
		case p = <-q.Packets():
		case <-time.After(10 * time.Millisecond): // it expired before it could be handed out
			if got := j.Wait(); got != kerneltest.Dropped {
				t.Fatalf("fate %v, want Dropped", got)
			}
			continue
		}
		raced++
		for start := time.Now(); errors.Is(p.Replace(tooLong), queue.ErrInvalid); {
			if time.Since(start) > patience {
				t.Fatalf("the packet is %v after %v", j.Fate(), patience)
			}
		}
		if got := j.Wait(); got != kerneltest.Dropped {
			t.Fatalf("fate %v, want Dropped", got)
		}
	}
}

// hangs are programs that hang at different places. Each receives a few
// packets, waits, and continues.
var hangs = map[string]func(s *sim, wait func(), judge func(queue.Packet)){
	"before Packets": func(s *sim, wait func(), judge func(queue.Packet)) {
		wait()
		for p := range s.q.Packets() {
			judge(p)
		}
	},
	"after Packets": func(s *sim, wait func(), judge func(queue.Packet)) {
		packets := s.q.Packets()
		wait()
		for p := range packets {
			judge(p)
		}
	},
	"in a loop over the channel": func(s *sim, wait func(), judge func(queue.Packet)) {
		n := 0
		for p := range s.q.Packets() {
			judge(p)
			if n++; n == 10 || n == 100 {
				wait()
			}
		}
	},
	"with a packet of the channel": func(s *sim, wait func(), judge func(queue.Packet)) {
		n := 0
		for p := range s.q.Packets() {
			if n++; n == 10 || n == 100 {
				wait()
				_ = p.Accept() // too late
				continue
			}
			judge(p)
		}
	},
	"with a packet of All": func(s *sim, wait func(), judge func(queue.Packet)) {
		n := 0
		for p := range s.q.All() {
			if n++; n == 10 || n == 100 {
				wait()
				_ = p.Accept() // too late
				continue
			}
			judge(p)
		}
	},
	"before All": func(s *sim, wait func(), judge func(queue.Packet)) {
		wait()
		for p := range s.q.All() {
			judge(p)
		}
	},
	"in a loop over All": func(s *sim, wait func(), judge func(queue.Packet)) {
		n := 0
		for p := range s.q.All() {
			judge(p)
			if n++; n == 10 || n == 100 {
				wait()
			}
		}
	},
	"between loops over All": func(s *sim, wait func(), judge func(queue.Packet)) {
		for range 2 {
			n := 0
			for p := range s.q.All() {
				judge(p)
				if n++; n == 10 {
					break
				}
			}
			wait()
		}
		for p := range s.q.All() {
			judge(p)
		}
	},
}

// TestDeadlineWhoeverHangs runs programs that hang while packets arrive. No
// packet, read or not, waits longer than the deadline for its verdict; none
// gets it much earlier; and no expired packet is delivered.
func TestDeadlineWhoeverHangs(t *testing.T) {
	const deadline = 80 * time.Millisecond
	for _, c := range []queue.Config{
		{},
		{Buffer: -1},
		{Buffer: 1},
		{Buffer: 1000},
		{WhenFull: queue.Accept, Buffer: 3},
	} {
		for name, program := range hangs {
			t.Run(fmt.Sprintf("%s, %d, %v", name, c.Buffer, c.WhenFull), func(t *testing.T) {
				simulate(t, both, kerneltest.Options{}, func(s *sim) {
					c.Deadline, c.OnDeadline = deadline, queue.Drop
					hung := make(chan struct{})
					defer close(hung)
					c.OnExpired = func(queue.Packet) { <-hung }
					s.open(c)
					var given, late atomic.Int32
					over := make(chan struct{})
					go func() {
						defer close(over)
						program(s, func() { time.Sleep(time.Second + 333*time.Microsecond) }, func(p queue.Packet) {
							given.Add(1)
							if err := p.Accept(); errors.Is(err, queue.ErrDecided) {
								late.Add(1)
							}
						})
					}()
					var watched sync.WaitGroup
					for range 3000 {
						j, injected := s.injectOne(), time.Now()
						watched.Go(func() {
							got := j.Wait()
							if waited := time.Since(injected); waited > deadline+2*time.Millisecond {
								s.Errorf("%v after %v, want at most %v", got, waited, deadline)
							} else if got == kerneltest.Dropped && waited < deadline*7/8 {
								s.Errorf("dropped after %v, want at least %v", waited, deadline*7/8)
							}
						})
						time.Sleep(time.Millisecond)
					}
					watched.Wait()
					s.ok(s.q.Close())
					<-over
					if late.Load() > 0 {
						s.Errorf("%d of %d packets had expired when they were handed out", late.Load(), given.Load())
					}
					if given.Load() < 500 {
						s.Errorf("%d packets were handed out", given.Load())
					}
				})
			})
		}
	}
}

// TestDeadlineInGroup stops receiving from the channel of a group. The packets
// of its queues expire, those of a queue without a deadline stay, and those of
// each queue are in order.
func TestDeadlineInGroup(t *testing.T) {
	const deadline = 80 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, nfqueueKind, kerneltest.Options{})
		configs := queue.Config{Number: 1, Buffer: 20, OnDeadline: queue.Drop}.Balance(3)
		configs[1].Deadline, configs[2].Deadline = deadline, 2*deadline
		g, err := queue.OpenGroup(s.ctx, configs...)
		s.ok(err)
		defer g.Close()
		packets := g.Packets()
		inject := func() {
			for i := range configs {
				s.injectPacket(kerneltest.Packet{Queue: uint16(i + 1)})
			}
			time.Sleep(1003 * time.Microsecond) // not at the moment at which others expire
		}
		var last [4]uint64
		n, late := 0, 0
		for range 5 {
			for range 1000 {
				inject()
			}
			for range 1000 {
				p := <-packets
				number := p.Queue().Number()
				if p.ID <= last[number] {
					s.Fatalf("queue %d: packet %d after %d", number, p.ID, last[number])
				}
				last[number] = p.ID
				if errors.Is(p.Accept(), queue.ErrDecided) {
					late++
				}
				if n++; n%5 == 0 {
					inject()
				}
			}
		}
		if late > 0 {
			s.Errorf("%d of %d packets had expired when they were handed out", late, n)
		}
		for i, q := range g.Queues() {
			stats := q.Stats()
			if expired := stats.Expired > 0; expired != (i > 0) {
				s.Errorf("queue %d: %d packets expired", i+1, stats.Expired)
			}
			checkSum(s, stats)
		}
	})
}

// TestSweep removes expired packets from a channel. It takes out others only if
// it must, as a program that receives meanwhile would get them in another order.
func TestSweep(t *testing.T) {
	type sent = queue.SentPacket
	for name, tt := range map[string]struct {
		packets []sent
		expired [2]uint64 // of each queue, up to that one
		want    []sent
		moved   int
	}{
		"empty":         {expired: [2]uint64{7, 7}},
		"none":          {packets: []sent{{0, 3}, {0, 4}}, want: []sent{{0, 3}, {0, 4}}},
		"delivered":     {packets: []sent{{0, 3}, {0, 4}}, expired: [2]uint64{2, 9}, want: []sent{{0, 3}, {0, 4}}},
		"first":         {packets: []sent{{0, 3}, {0, 5}, {0, 6}, {0, 9}}, expired: [2]uint64{5, 0}, want: []sent{{0, 6}, {0, 9}}},
		"all":           {packets: []sent{{0, 3}, {0, 4}}, expired: [2]uint64{4, 0}},
		"of both":       {packets: []sent{{1, 1}, {0, 3}, {1, 2}}, expired: [2]uint64{3, 1}, want: []sent{{1, 2}}},
		"of the second": {packets: []sent{{0, 3}, {1, 1}, {0, 4}, {1, 2}}, expired: [2]uint64{0, 1}, want: []sent{{0, 3}, {0, 4}, {1, 2}}, moved: 3},
	} {
		t.Run(name, func(t *testing.T) {
			left, moved := queue.Sweep(tt.packets, tt.expired)
			if !slices.Equal(left, tt.want) || moved != tt.moved {
				t.Errorf("%v are left, %d of them moved, want %v, %d", left, moved, tt.want, tt.moved)
			}
		})
	}
}

// TestDeadlineWithoutRoom hangs with as many packets as may be undecided: each
// that expires makes room for another.
func TestDeadlineWithoutRoom(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{Deadline: 10 * time.Millisecond, MaxUndecided: 3})
		s.injectOne()
		for range s.q.All() {
			j := s.inject(100)
			time.Sleep(time.Second)
			s.fates(j, kerneltest.Dropped)
			break
		}
	})
}

// TestDeadlineBehindMaxUndecided has programs hang while the kernel's queue is
// full. A packet may have to wait until those before it have expired, MaxUndecided
// at a time, and then its own time. Where MaxUndecided is not less than the queue
// length none has to.
func TestDeadlineBehindMaxUndecided(t *testing.T) {
	const deadline, length = 80 * time.Millisecond, 20
	for most, deadlines := range map[int]time.Duration{1: 20, 5: 4, 7: 3, 19: 2, 20: 1, 100: 1} {
		for name, program := range hangs {
			t.Run(fmt.Sprintf("%s, MaxUndecided %d", name, most), func(t *testing.T) {
				simulate(t, nfqueueKinds, kerneltest.Options{}, func(s *sim) {
					s.open(queue.Config{Deadline: deadline, MaxUndecided: most, QueueLength: length})
					over := make(chan struct{})
					go program(s, func() { <-over }, func(p queue.Packet) { _ = p.Accept() })
					for range 3000 {
						j, injected := s.injectOne(), time.Now()
						go func() {
							j.Wait()
							if waited := time.Since(injected); waited > deadlines*deadline {
								s.Errorf("%v after %v, want at most %v", j.Fate(), waited, deadlines*deadline)
							}
						}()
						time.Sleep(time.Millisecond)
					}
					time.Sleep(deadlines * deadline)
					if n := s.stats(); n.Expired == 0 || n.Kernel.QueueDropped == 0 || n.Kernel.Pending > 0 {
						s.Errorf("the program did not hang, or packets still wait: %v", n)
					}
					close(over)
				})
			})
		}
	}
}

// TestAge checks the age of the oldest packet, with and without a clock.
func TestAge(t *testing.T) {
	for _, tt := range []struct {
		c    queue.Config
		want time.Duration
	}{
		{queue.Config{}, 0},
		{queue.Config{TrackAge: true}, 5 * time.Second},
		{queue.Config{Deadline: time.Minute}, 5 * time.Second},
	} {
		simulate(t, both, kerneltest.Options{}, func(s *sim) {
			s.open(tt.c)
			s.inject(2)
			p := s.next()
			time.Sleep(5 * time.Second)
			if got := s.q.Stats().OldestUndecided; got != tt.want {
				s.Errorf("OldestUndecided %v, want %v", got, tt.want)
			}
			s.ok(p.Accept())
			s.ok(s.next().Accept())
			s.quiet()
			if got := s.q.Stats().OldestUndecided; got != 0 {
				s.Errorf("OldestUndecided %v with no packet left", got)
			}
		})
	}
}

// OnExpired is called for each packet that the deadline decides, and no other,
// with what is known of it.
func TestOnExpired(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		var told []queue.Packet
		s.open(queue.Config{Deadline: time.Second, OnExpired: func(p queue.Packet) { told = append(told, p) }})
		list := make([]queue.Packet, 5)
		for i := range list {
			s.injectPacket(kerneltest.Packet{In: eth0, Mark: uint32(i), Payload: simUDP(false, pattern(i))})
			list[i] = s.next()
		}
		s.ok(list[1].Accept())
		s.ok(list[3].Drop())
		time.Sleep(2 * time.Second)
		s.quiet()
		for _, p := range told {
			if errors.Is(p.Accept(), queue.ErrDecided) && p.Payload == nil && p.Queue() == s.q && p.In().Name() == "eth0" {
				continue
			}
			s.Errorf("OnExpired was called with %+v", p)
		}
		var ids []uint64
		for _, p := range told {
			ids = append(ids, p.ID)
		}
		if want := []uint64{list[0].ID, list[2].ID, list[4].ID}; !slices.Equal(ids, want) {
			s.Errorf("OnExpired was called with ids %d, want %d", ids, want)
		}
		if n := s.q.Stats(); n.Expired != uint64(len(told)) {
			s.Errorf("%d expired, OnExpired was called %d times", n.Expired, len(told))
		}
		// Slots are used again for packets of their own.
		told = nil
		s.injectPacket(kerneltest.Packet{Mark: 77, Payload: simUDP(false, pattern(9))})
		p := s.next()
		time.Sleep(2 * time.Second)
		s.quiet()
		if len(told) != 1 || told[0].ID != p.ID || told[0].Mark != p.Mark || told[0].Length != p.Length || told[0].In() != (queue.Device{}) {
			s.Errorf("OnExpired was called with %+v, want what is known of %+v", told, p)
		}
	})
}

// What must be read before the verdict is not there.
func TestOnExpiredHasNoConntrack(t *testing.T) {
	simulate(t, nfqueueKinds, kerneltest.Options{}, func(s *sim) {
		told := make(chan queue.Packet, 1)
		s.open(queue.Config{Conntrack: true, Deadline: time.Second, OnExpired: func(p queue.Packet) { told <- p }})
		s.injectPacket(kerneltest.Packet{Conntrack: simEntry(), SecurityContext: []byte("label")})
		if _, ok := s.next().Conntrack(); !ok {
			s.Error("no entry came with the packet")
		}
		time.Sleep(2 * time.Second)
		p := <-told
		if c, ok := p.Conntrack(); ok {
			s.Errorf("Conntrack = %v after the verdict", c)
		}
		if p.SecurityContext() != "" || p.LinkHeader() != nil || p.Flow() != (queue.Flow{}) || p.Age() != 0 {
			s.Errorf("something of the packet's memory is left: %v", p)
		}
		if _, err := p.DecideUpTo(queue.Verdict{Action: queue.Accept}); err != nil {
			s.Errorf("DecideUpTo: %v", err)
		}
	})
}

// A function that blocks keeps neither the reader nor the deadline waiting, and
// is called once at a time.
func TestOnExpiredMayBlock(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		release := make(chan struct{})
		calls := 0
		s.open(queue.Config{Deadline: time.Second, OnExpired: func(queue.Packet) { calls++; <-release }})
		j := s.inject(3)
		s.next()
		time.Sleep(2 * time.Second)
		s.fates(j, kerneltest.Dropped)
		if calls != 1 {
			s.Errorf("%d calls at once, want 1", calls)
		}
		close(release)
		s.quiet()
		if calls != 3 {
			s.Errorf("%d calls, want 3", calls)
		}
	})
}

// TestWhenFullInGroup fills the channel of a group with packets that wait for
// its room. Those of a queue with WhenFull do not.
func TestWhenFullInGroup(t *testing.T) {
	for _, deadline := range []time.Duration{0, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			s := newSim(t, nfqueueKind, kerneltest.Options{})
			configs := queue.Config{Number: 1, Buffer: 3, Deadline: deadline}.Balance(3)
			configs[1].WhenFull, configs[2].WhenFull = queue.Accept, queue.Drop
			g, err := queue.OpenGroup(s.ctx, configs...)
			s.ok(err)
			defer g.Close()
			g.Packets()
			for range 20 {
				s.injectPacket(kerneltest.Packet{Queue: 1})
			}
			synctest.Wait()
			for range 20 {
				s.fate(s.injectPacket(kerneltest.Packet{Queue: 2}), kerneltest.Accepted)
				s.fate(s.injectPacket(kerneltest.Packet{Queue: 3}), kerneltest.Dropped)
			}
			for i, want := range []uint64{0, 20, 20} {
				if got := g.Queues()[i].Stats().Overflowed; got != want {
					s.Errorf("deadline %v: %d packets of queue %d overflowed, want %d", deadline, got, i+1, want)
				}
			}
		})
	}
}

// TestExpiredMakeRoomInGroup makes a packet expire in the full channel of a
// group while a packet of another queue waits. That one takes its place.
func TestExpiredMakeRoomInGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, nfqueueKind, kerneltest.Options{})
		configs := queue.Config{Number: 1, Buffer: -1}.Balance(2)
		configs[1].Buffer, configs[1].Deadline = 1, time.Second
		g, err := queue.OpenGroup(s.ctx, configs...)
		s.ok(err)
		defer g.Close()
		packets := g.Packets()
		for range 20 {
			expires := s.injectPacket(kerneltest.Packet{Queue: 2})
			synctest.Wait()
			s.injectPacket(kerneltest.Packet{Queue: 1})
			time.Sleep(2 * time.Second)
			s.fate(expires, kerneltest.Dropped)
			p := <-packets
			if got := p.Queue().Number(); got != 1 {
				s.Fatalf("a packet of queue %d was handed out: %v", got, p.Accept())
			}
			s.ok(p.Accept())
		}
	})
}

// TestOnExpiredHangs hangs in the first call until more calls wait than are kept:
// Stats counts the others.
func TestOnExpiredHangs(t *testing.T) {
	simulate(t, nfqueueKinds, kerneltest.Options{}, func(s *sim) {
		const n, atOnce = 70000, 1000
		hung := make(chan struct{})
		calls := 0
		s.open(queue.Config{Deadline: time.Second, OnExpired: func(queue.Packet) { <-hung; calls++ }})
		s.q.Packets()
		for range n / atOnce {
			for range atOnce {
				s.kernel.Inject(kerneltest.Packet{Queue: simNumber, Payload: simUDP(false, nil)})
			}
			time.Sleep(2 * time.Second)
		}
		close(hung)
		stats := s.stats()
		const want = 1 + 1<<16
		if stats.Expired != n || calls != want || stats.CallsSkipped != n-want {
			s.Errorf("%d expired, %d calls, %d skipped, want %d, %d, %d", stats.Expired, calls, stats.CallsSkipped, n, want, n-want)
		}
	})
}
