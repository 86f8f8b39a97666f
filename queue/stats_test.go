package queue_test

import (
	"errors"
	"io/fs"
	"sync"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
)

// TestStatsActions checks that verdicts count by their action, no matter who
// gave them.
func TestStatsActions(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{Deadline: time.Second, OnDeadline: queue.Accept})
		s.inject(9)
		p := s.nextN(9)
		s.ok(p[0].Accept())
		s.ok(p[1].Drop())
		s.ok(p[2].Drop())
		s.ok(p[3].Decide(queue.Verdict{Action: queue.Stop}))
		s.ok(p[4].Replace(s.unrepaired(pattern(5))))
		s.ok(p[5].Decide(queue.Verdict{Action: queue.Drop, Payload: s.unrepaired(pattern(5))}))
		s.ok(p[6].Repeat())
		s.quiet()
		s.ok(s.next().Accept())
		time.Sleep(2 * time.Second)
		n := s.stats()
		got := [...]uint64{n.Received, n.Decided, n.Expired, n.Accepted, n.Dropped, n.Stopped, n.Repeated, n.Requeued, n.Replaced}
		if want := [...]uint64{10, 8, 2, 5, 3, 1, 1, 0, 2}; got != want {
			s.Errorf("received, decided, expired, accepted, dropped, stopped, repeated, requeued, replaced: %v, want %v", got, want)
		}
	})
}

// TestStatsConcurrent asks while everything moves: the counters are of one
// moment.
func TestStatsConcurrent(t *testing.T) {
	simulate(t, both, kerneltest.Options{MaxLength: 4096}, func(s *sim) {
		s.open(queue.Config{Buffer: 10, WhenFull: queue.Drop, MaxUndecided: 100})
		s.inject(1000)
		var deciders, watchers sync.WaitGroup
		stop := make(chan struct{})
		for range 2 {
			watchers.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						checkSum(s, s.q.Stats())
					}
				}
			})
		}
		for range 4 {
			deciders.Go(func() {
				for {
					select {
					case p := <-s.q.Packets():
						if err := p.Accept(); err != nil {
							s.Errorf("Accept: %v", err)
						}
					case <-stop:
						return
					}
				}
			})
		}
		for range 200 {
			s.inject(5)
		}
		close(stop)
		deciders.Wait()
		watchers.Wait()
		if n := s.stats(); n.Received != 2000 {
			s.Errorf("%d received, want 2000", n.Received)
		}
	})
}

// TestStatsWithoutRow uses a kernel whose status file cannot be read.
func TestStatsWithoutRow(t *testing.T) {
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		s.inject(3)
		s.kernel.SetPrivileged(false)
		n := s.q.Stats().Kernel
		if !errors.Is(n.Err, fs.ErrPermission) || n.Pending != 0 {
			s.Errorf("%+v, want a permission error and no numbers", n)
		}
		s.kernel.SetPrivileged(true)
		if n := s.q.Stats().Kernel; n.Err != nil || n.Pending != 3 || n.LastID != 3 {
			s.Errorf("%+v, want 3 pending, last id 3", n)
		}
	})
}

// TestTwoQueues opens two queues in one process.
func TestTwoQueues(t *testing.T) {
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		first := s.open(queue.Config{})
		second, err := queue.Open(s.ctx, queue.Config{Number: 8, Mode: queue.MetaOnly})
		s.ok(err)
		defer second.Close()
		j := s.inject(10)
		k := s.injectPacket(kerneltest.Packet{Queue: 8})
		p := <-second.Packets()
		if len(p.Payload) != 0 {
			s.Errorf("%d bytes from the queue of metadata", len(p.Payload))
		}
		s.ok(p.Drop())
		for _, p := range s.nextN(10) {
			s.ok(p.Accept())
		}
		s.fates(j, kerneltest.Accepted)
		s.fate(k, kerneltest.Dropped)
		s.ok(second.Close())
		one := s.injectOne()
		s.ok(s.next().Accept())
		s.fate(one, kerneltest.Accepted)
		checkSum(s, first.Stats())
		checkSum(s, second.Stats())
	})
}

// A statusKernel calls before each time a socket's status file is read.
type statusKernel struct {
	*kerneltest.Kernel
	before func()
}

func (k *statusKernel) Open(c sock.Config) (sock.Socket, error) {
	s, err := k.Kernel.Open(c)
	return statusSocket{s, k}, err
}

type statusSocket struct {
	sock.Socket
	kernel *statusKernel
}

func (s statusSocket) Status(b []byte, offset int64) (int, error) {
	s.kernel.before()
	return s.Socket.Status(b, offset)
}

// TestStatsMeetsClose starts to close the queue after Stats has checked its
// state, and before it reads the row.
func TestStatsMeetsClose(t *testing.T) {
	k := &statusKernel{kerneltest.New(kerneltest.Options{}), func() {}}
	q, err := queue.Open(sock.WithKernel(t.Context(), k), queue.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	k.Inject(kerneltest.Packet{Payload: make([]byte, 20)})
	k.before = func() {
		k.before = func() {} // Close reads the row too
		go q.Close()
		for !errors.Is(q.SetMode(t.Context(), queue.WholePacket), queue.ErrClosed) {
		}
	}
	if got := q.Stats().Kernel; got.Err != nil || got.LastID != 1 {
		t.Errorf("the kernel's row has id %d, %v, want 1, nil", got.LastID, got.Err)
	}
}
