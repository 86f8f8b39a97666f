package queue_test

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
)

const groupSize = 3

// A groupSim is a group of queues on a simulated kernel.
type groupSim struct {
	testing.TB
	kernel *kerneltest.Kernel
	ctx    context.Context
	cancel context.CancelFunc
	g      *queue.Group
}

// simulateGroup runs test with a group from simNumber on.
func simulateGroup(t *testing.T, c queue.Config, test func(s *groupSim)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &groupSim{TB: t, kernel: kerneltest.New(kerneltest.Options{})}
		s.ctx, s.cancel = context.WithCancel(sock.WithKernel(t.Context(), s.kernel))
		defer s.cancel()
		c.Number = simNumber
		g, err := queue.OpenGroup(s.ctx, c.Balance(groupSize)...)
		if err != nil {
			t.Fatal(err)
		}
		s.g = g
		test(s)
		if err := g.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		synctest.Wait()
		if n := len(s.kernel.Sockets()); n != 0 {
			t.Errorf("%d sockets are left open", n)
		}
	})
}

// inject queues n packets in each queue in turn.
func (s *groupSim) inject(n int) (journeys []*kerneltest.Journey) {
	for i := range n * groupSize {
		p := kerneltest.Packet{Queue: simNumber + uint16(i%groupSize), Payload: simUDP(false, pattern(32))}
		journeys = append(journeys, s.kernel.Inject(p))
	}
	return journeys
}

func (s *groupSim) accepted(journeys []*kerneltest.Journey) {
	s.Helper()
	synctest.Wait()
	for i, j := range journeys {
		if got := j.Result().Fate; got != kerneltest.Accepted {
			s.Errorf("packet %d: %v, want %v", i, got, kerneltest.Accepted)
		}
	}
}

func TestGroupPackets(t *testing.T) {
	simulateGroup(t, queue.Config{}, func(s *groupSim) {
		journeys := s.inject(5)
		for range journeys {
			if err := (<-s.g.Packets()).Accept(); err != nil {
				s.Error(err)
			}
		}
		s.accepted(journeys)
		n := s.g.Stats()
		if n.Received != 15 || n.Decided != 15 || n.Accepted != 15 || n.Kernel.Err != nil || n.Kernel.LastID != 0 {
			s.Errorf("Stats = %+v, want 15 packets received and accepted", n)
		}
	})
}

// The queues' numbers follow each other, and each can be served by itself.
func TestGroupQueues(t *testing.T) {
	simulateGroup(t, queue.Config{}, func(s *groupSim) {
		journeys := s.inject(2)
		for i, q := range s.g.Queues() {
			for n := 0; n < 2; n++ {
				if err := (<-q.Packets()).Accept(); err != nil {
					s.Errorf("queue %d: %v", i, err)
				}
			}
		}
		s.accepted(journeys)
	})
}

func TestGroupCloseEndsTheStream(t *testing.T) {
	simulateGroup(t, queue.Config{Buffer: 2}, func(s *groupSim) {
		s.inject(10)
		packets := s.g.Packets()
		synctest.Wait() // the channel is full, every reader waits
		p := <-packets
		s.g.Close()
		if _, ok := <-packets; ok {
			s.Error("a packet came after Close")
		}
		if err := p.Accept(); !errors.Is(err, queue.ErrClosed) {
			s.Errorf("Accept after Close: %v, want %v", err, queue.ErrClosed)
		}
		if err := s.g.Err(); err != nil {
			s.Errorf("Err = %v after Close", err)
		}
		if n := s.g.Stats(); n.Received != n.Decided+n.Abandoned || n.Undecided != 0 {
			s.Errorf("%d received, %d decided, %d abandoned, %d undecided", n.Received, n.Decided, n.Abandoned, n.Undecided)
		}
	})
}

func TestGroupPacketsAfterClose(t *testing.T) {
	simulateGroup(t, queue.Config{}, func(s *groupSim) {
		s.g.Close()
		if _, ok := <-s.g.Packets(); ok {
			s.Error("a packet came after Close")
		}
	})
}

// A program that does nothing but range over the channel, and does not close the
// group, leaves nothing open when its context ends.
func TestGroupRangeOnly(t *testing.T) {
	for _, grace := range []time.Duration{0, -1, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			k := kerneltest.New(kerneltest.Options{})
			ctx, cancel := context.WithCancel(sock.WithKernel(t.Context(), k))
			g, err := queue.OpenGroup(ctx, queue.Config{Grace: grace, Deadline: time.Minute}.Balance(groupSize)...)
			if err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(time.Second, cancel)
			var sender sync.WaitGroup
			defer sender.Wait()
			sender.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					k.Inject(kerneltest.Packet{Queue: uint16(n % groupSize), Payload: simUDP(false, pattern(8))})
					time.Sleep(time.Millisecond)
				}
			})
			n := 0
			for p := range g.Packets() {
				if err := p.Accept(); err != nil {
					t.Errorf("Grace %v: packet %d: %v", grace, n, err)
				}
				n++
			}
			synctest.Wait()
			if err := g.Err(); err != nil || n < 990 || len(k.Sockets()) != 0 {
				t.Errorf("Grace %v: %d packets came, then Err = %v with %d sockets open", grace, n, err, len(k.Sockets()))
			}
		})
	}
}

// TestGroupContextEnds checks that received packets can still be decided after
// the context has ended.
func TestGroupContextEnds(t *testing.T) {
	simulateGroup(t, queue.Config{}, func(s *groupSim) {
		journeys := s.inject(5)
		packets := s.g.Packets()
		synctest.Wait()
		s.cancel()
		n := 0
		for p := range packets {
			n++
			if err := p.Accept(); err != nil {
				s.Error(err)
			}
		}
		if err := s.g.Err(); n != len(journeys) || err != nil {
			s.Errorf("%d packets, Err = %v, want %d, nil", n, err, len(journeys))
		}
		s.accepted(journeys)
	})
}

// One queue that fails takes the others with it.
func TestGroupFails(t *testing.T) {
	simulateGroup(t, queue.Config{}, func(s *groupSim) {
		s.inject(1)
		packets := s.g.Packets()
		p := <-packets
		s.kernel.SetPrivileged(false)
		if err := p.Accept(); err != nil {
			s.Error(err)
		}
		synctest.Wait()
		for range packets {
		}
		time.Sleep(time.Second)
		if err := s.g.Err(); !errors.Is(err, syscall.EPERM) {
			s.Errorf("Err = %v, want %v", err, syscall.EPERM)
		}
	})
}

func TestOpenGroupAllOrNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := kerneltest.New(kerneltest.Options{})
		ctx := sock.WithKernel(t.Context(), k)
		taken, err := queue.Open(ctx, queue.Config{Number: 9})
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
		limited, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		g, err := queue.OpenGroup(limited, queue.Config{Number: 7}.Balance(groupSize)...)
		var op *queue.OpError
		if g != nil || !errors.As(err, &op) || op.Queue != "queue 9" {
			t.Errorf("OpenGroup = %v, %v, want an error about queue 9", g, err)
		}
		if n := len(k.Sockets()); n != 1 {
			t.Errorf("%d sockets are open, want the one that has queue 9", n)
		}
	})
}

func TestOpenGroupRefuses(t *testing.T) {
	ctx := sock.WithKernel(t.Context(), kerneltest.New(kerneltest.Options{}))
	for _, test := range []struct {
		name    string
		configs []queue.Config
		want    error
	}{
		{"no queue", nil, queue.ErrInvalid},
		{"the same twice", []queue.Config{{Number: 4}, {Number: 5}, {Number: 4, Buffer: 1}}, queue.ErrInvalid},
		{"a bad Config", []queue.Config{{Number: 4}, {Number: 5, Buffer: 1, QueueLength: -1}}, queue.ErrInvalid},
		{"what nfnetlink_queue lacks", []queue.Config{{Number: 4}, {Backend: queue.NFQueue, WordSize: 32}}, queue.ErrUnsupported},
	} {
		if g, err := queue.OpenGroup(ctx, test.configs...); g != nil || !errors.Is(err, test.want) {
			t.Errorf("%s: OpenGroup = %v, %v, want %v", test.name, g, err, test.want)
		}
	}
}

func TestConfigBalance(t *testing.T) {
	for _, test := range []struct {
		first uint16
		n     int
		want  int
	}{{0, 0, 0}, {0, -1, 0}, {0, 1, 1}, {7, 3, 3}, {65535, 1, 1}, {65535, 2, 0}, {0, 65536, 65536}, {0, 65537, 0}} {
		list := queue.Config{Number: test.first, Buffer: 3}.Balance(test.n)
		if len(list) != test.want {
			t.Errorf("%d from %d on: %d Configs, want %d", test.n, test.first, len(list), test.want)
		}
		for i, c := range list {
			if c.Number != test.first+uint16(i) || c.Buffer != 3 {
				t.Errorf("%d from %d on: Config %d is %+v", test.n, test.first, i, c)
				break
			}
		}
	}
}

// TestGroupOfAnyQueues opens a group with queues of both kinds. Packet.Queue
// returns the right one for each packet.
func TestGroupOfAnyQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := kerneltest.New(kerneltest.Options{Modules: kerneltest.IPQueue | kerneltest.IP6Queue})
		ctx := sock.WithKernel(t.Context(), k)
		g, err := queue.OpenGroup(ctx, queue.Config{}, queue.Config{Family: queue.IPv6})
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		k.Inject(kerneltest.Packet{Family: kerneltest.IPv6, Payload: simUDP(true, pattern(8))})
		k.Inject(kerneltest.Packet{Payload: simUDP(false, pattern(8))})
		for range 2 {
			p := <-g.Packets()
			i := map[queue.Family]int{queue.IPv4: 0, queue.IPv6: 1}[p.Family]
			if q := p.Queue(); q != g.Queues()[i] || q.Backend() != queue.IPQueue || q.Number() != 0 {
				t.Errorf("a packet of %v is of queue %p, want %p", p.Family, q, g.Queues()[i])
			}
			p.Drop()
		}
	})
	synctest.Test(t, func(t *testing.T) {
		k := kerneltest.New(kerneltest.Options{})
		g, err := queue.OpenGroup(sock.WithKernel(t.Context(), k), queue.Config{Number: 9}, queue.Config{Number: 2})
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		for i, n := range []uint16{9, 2} {
			if q := g.Queues()[i]; q.Number() != n || q.Backend() != queue.NFQueue {
				t.Errorf("queue %d is %v %d, want %v %d", i, q.Backend(), q.Number(), queue.NFQueue, n)
			}
			k.Inject(kerneltest.Packet{Queue: n, Payload: simUDP(false, pattern(8))})
			p := <-g.Packets()
			if got := p.Queue().Number(); got != n {
				t.Errorf("a packet of queue %d, want %d", got, n)
			}
			p.Accept()
		}
	})
	if q := (queue.Packet{}).Queue(); q != nil {
		t.Errorf("Queue of the zero Packet is %v", q)
	}
}

// The end of the context, however it comes, leaves each queue its Grace.
func TestGroupContextEndsWithCause(t *testing.T) {
	cause := errors.New("enough")
	for name, end := range map[string]func(context.Context) (context.Context, func()){
		"cancel": func(ctx context.Context) (context.Context, func()) { return context.WithCancel(ctx) },
		"cause": func(ctx context.Context) (context.Context, func()) {
			ctx, cancel := context.WithCancelCause(ctx)
			return ctx, func() { cancel(cause) }
		},
		"deadline": func(ctx context.Context) (context.Context, func()) {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			return ctx, func() { time.Sleep(2 * time.Second); cancel() }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := kerneltest.New(kerneltest.Options{})
				ctx, stop := end(sock.WithKernel(t.Context(), k))
				g, err := queue.OpenGroup(ctx, queue.Config{Grace: time.Minute}.Balance(2)...)
				if err != nil {
					t.Fatal(err)
				}
				defer g.Close()
				held := k.Inject(kerneltest.Packet{Queue: 1, Payload: simUDP(false, pattern(8))})
				p := <-g.Packets()
				stop()
				time.Sleep(time.Second) // queue 0 has ended long since
				if err := p.Accept(); err != nil {
					t.Errorf("Accept within Grace: %v", err)
				}
				synctest.Wait()
				if got := held.Result().Fate; got != kerneltest.Accepted {
					t.Errorf("the packet was %v, want %v", got, kerneltest.Accepted)
				}
				if _, ok := <-g.Packets(); ok {
					t.Error("a packet came after the end")
				}
				want := map[string]error{"cause": cause, "deadline": context.DeadlineExceeded}[name]
				if err := g.Err(); !errors.Is(err, want) {
					t.Errorf("Err = %v, want %v", err, want)
				}
			})
		})
	}
}

// TestGroupFailsAfterContext makes one queue fail during Grace. The other
// queues are not closed, because they are ending already.
func TestGroupFailsAfterContext(t *testing.T) {
	simulateGroup(t, queue.Config{Grace: time.Minute}, func(s *groupSim) {
		s.inject(1)
		packets := s.g.Packets()
		held := []queue.Packet{<-packets, <-packets, <-packets}
		s.cancel()
		synctest.Wait()
		s.kernel.SetPrivileged(false)
		if err := held[0].Accept(); err != nil {
			s.Error(err)
		}
		time.Sleep(time.Second)
		if err := s.g.Err(); err != nil {
			s.Errorf("Err = %v within Grace", err)
		}
		s.kernel.SetPrivileged(true)
		for _, p := range held[1:] {
			if err := p.Accept(); err != nil {
				s.Errorf("queue %d: %v", p.Queue().Number(), err)
			}
		}
		for range packets {
		}
	})
}

// TestGroupBuffer checks that the capacity of the channel is the sum of the
// Buffers.
func TestGroupBuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := kerneltest.New(kerneltest.Options{})
		g, err := queue.OpenGroup(sock.WithKernel(t.Context(), k),
			queue.Config{Number: 1, Buffer: 2}, queue.Config{Number: 2, Buffer: 5}, queue.Config{Number: 3, Buffer: -1})
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		if got := cap(g.Packets()); got != 7 {
			t.Errorf("the channel has room for %d packets, want 7", got)
		}
	})
}

// Packets of a queue cannot be taken twice, and Close works after the panic.
func TestGroupPanics(t *testing.T) {
	for _, take := range []func(q *queue.Queue){
		func(q *queue.Queue) { q.Packets() },
		func(q *queue.Queue) {
			for p := range q.All() {
				p.Accept()
				break
			}
		},
	} {
		simulateGroup(t, queue.Config{}, func(s *groupSim) {
			s.inject(1)
			take(s.g.Queues()[1])
			wantPanic(s, func() { s.g.Packets() }, "Group", "already received")
		})
	}
	simulateGroup(t, queue.Config{}, func(s *groupSim) {
		s.g.Packets()
		wantPanic(s, func() { s.g.Queues()[1].Packets() }, "by a Group")
	})
}

// Each counter is in the sum.
func TestAddStats(t *testing.T) {
	var sum, one queue.Stats
	fill(reflect.ValueOf(&one).Elem())
	one.Kernel.Err = errors.ErrUnsupported
	queue.AddStats(&sum, &one)
	want := one
	want.Kernel.LastID = 0
	if sum != want {
		t.Errorf("sum  %+v\nwant %+v", sum, want)
	}
	queue.AddStats(&sum, &one)
	if sum.Received != 2*one.Received || sum.OldestUndecided != one.OldestUndecided || sum.Kernel.Pending != 2*one.Kernel.Pending {
		t.Errorf("twice the same: %+v", sum)
	}
}

// fill sets all numbers in v.
func fill(v reflect.Value) {
	for i := range v.NumField() {
		switch f := v.Field(i); {
		case f.CanInt():
			f.SetInt(int64(i + 1))
		case f.CanUint():
			f.SetUint(uint64(i + 1))
		case f.Kind() == reflect.Struct:
			fill(f)
		}
	}
}
