package queue_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/wire"
)

// opening opens the queue on a goroutine and returns once that waits for an
// answer.
func (s *sim) opening(c queue.Config) (opened func()) {
	done := make(chan error, 1)
	go func() {
		q, err := s.kind.open(s.ctx, c)
		s.q = q
		done <- err
	}()
	synctest.Wait()
	return func() {
		s.Helper()
		s.ok(<-done)
	}
}

// TestOpenUnderFlood queues packets between the request and its answer: all of
// them come, in order.
func TestOpenUnderFlood(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.kernel.HoldReplies()
		opened := s.opening(queue.Config{})
		if !s.isNFQueue() {
			// The probe for the layout comes first, and queues nothing.
			s.kernel.ReleaseReplies()
			s.kernel.HoldReplies()
			synctest.Wait()
		}
		j := s.inject(300)
		s.kernel.ReleaseReplies()
		opened()
		for _, j := range j {
			p := s.next()
			if ids := j.Result().IDs; len(ids) != 1 || p.ID != ids[0] {
				s.Fatalf("got packet %#x, want %#x", p.ID, ids)
			}
			s.ok(p.Accept())
		}
		s.fates(j, kerneltest.Accepted)
	})
}

// TestOpenUnderFloodFew queues more packets before the answer than the
// application may hold. It cannot decide them yet, so they must not prevent
// Open from reading the answer.
func TestOpenUnderFloodFew(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.kernel.HoldReplies()
		opened := s.opening(queue.Config{MaxUndecided: 4})
		if !s.isNFQueue() {
			s.kernel.ReleaseReplies()
			s.kernel.HoldReplies()
			synctest.Wait()
		}
		j := s.inject(100)
		s.kernel.ReleaseReplies()
		opened()
		for range j {
			s.ok(s.next().Accept())
			s.quiet()
		}
		s.fates(j, kerneltest.Accepted)
	})
}

// stuff fills the receive buffer of the queue's socket with what a local process
// sent.
func (s *sim) stuff() {
	for s.socket().Deliver(99, make([]byte, 16)) {
	}
}

// TestOpenAnswerLost fills the receive buffer with messages of other processes,
// so that the first answers do not fit.
func TestOpenAnswerLost(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		times := 0
		s.setOnSend(func([]byte) {
			if times++; times > 2 {
				return
			}
			s.stuff()
		})
		s.open(queue.Config{ReadBuffer: 1 << 16})
		j := s.injectOne()
		s.ok(s.next().Accept())
		s.fate(j, kerneltest.Accepted)
		if times < 3 {
			s.Errorf("asked %d times, want one more for each lost answer", times)
		}
		if n := s.stats(); n.Foreign == 0 {
			s.Errorf("the foreign datagrams are not counted: %+v", n)
		}
	})
}

// TestOpenRefusalLost loses the answer that the queue belongs to another
// socket, which then goes away: the repetition must create the queue.
func TestOpenRefusalLost(t *testing.T) {
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		owner := s.open(queue.Config{})
		times := 0
		s.setOnSend(func([]byte) {
			if times++; times > 1 {
				return
			}
			s.stuff()
			time.AfterFunc(time.Millisecond, func() { owner.Close() })
		})
		s.open(queue.Config{ReadBuffer: 1 << 16})
		j := s.injectOne()
		s.ok(s.next().Accept())
		s.fate(j, kerneltest.Accepted)
	})
}

// TestOpenLostAnswerEnds waits for an answer that never comes.
func TestOpenLostAnswerEnds(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.kernel.HoldReplies()
		ctx, cancel := context.WithTimeout(s.ctx, 10*time.Second)
		defer cancel()
		if _, err := s.kind.open(ctx, queue.Config{}); !errors.Is(err, context.DeadlineExceeded) {
			s.Errorf("%v, want the deadline", err)
		}
		if n := len(s.sentSoFar()); n < 10 {
			s.Errorf("asked %d times in 10 seconds", n)
		}
		s.kernel.ReleaseReplies()
	})
}

// TestOpenMessages counts the requests that Open makes: nfnetlink_queue takes
// one, so that there is no moment without a mode; ip_queue two, because the
// size of its words must be found.
func TestOpenMessages(t *testing.T) {
	for _, tt := range []struct {
		k    kind
		c    queue.Config
		want int
	}{
		{nfqueueKind, queue.Config{QueueLength: 5, Mode: queue.Range(100)}, 1},
		{ipqueueKind, queue.Config{}, 2},
		{ipqueueKind, queue.Config{WordSize: 8 * wire.Native().WordSize()}, 1},
	} {
		simulate(t, []kind{tt.k}, kerneltest.Options{}, func(s *sim) {
			if _, err := s.kind.open(s.ctx, tt.c); err != nil {
				s.Fatal(err)
			}
			if got := len(s.sentSoFar()); got != tt.want {
				s.Errorf("%d messages, want %d", got, tt.want)
			}
			s.cancel(nil)
			time.Sleep(2 * time.Second)
		})
	}
}

// nativeKinds returns the kinds of ip_queue that exist on a host of this byte
// order.
func nativeKinds() (list []kind) {
	for _, k := range kinds() {
		if !k.isNFQueue() && k.words.BigEndian() == wire.Native().BigEndian() {
			list = append(list, k)
		}
	}
	return list
}

func TestWordSize(t *testing.T) {
	simulate(t, nativeKinds(), kerneltest.Options{}, func(s *sim) {
		for _, bits := range []int{0, 8 * s.words.WordSize()} {
			s.open(queue.Config{WordSize: bits})
			j := s.injectOne()
			p := s.next()
			if string(p.Payload) != string(s.datagram(32)) {
				s.Errorf("WordSize %d: payload % x", bits, p.Payload)
			}
			s.ok(p.Accept())
			s.fate(j, kerneltest.Accepted)
			s.ok(s.q.Close())
		}
	})
}

// TestWordSizeWrong asks a 64-bit kernel for the shorter messages.
func TestWordSizeWrong(t *testing.T) {
	for _, k := range nativeKinds() {
		if k.words.WordSize() != 8 {
			continue
		}
		err := openOn(t, kerneltest.Options{Modules: k.modules, Layout: k.layout}, k.config(queue.Config{WordSize: 32}))
		if !errors.Is(err, einval) {
			t.Errorf("%s: %v is not EINVAL", k.name, err)
		}
	}
}

// TestPortTaken opens ip_queue where the process's number is taken as a port:
// the kernel takes positive ones only.
func TestPortTaken(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		protocol := map[kerneltest.Modules]int{
			kerneltest.NFQueue: sock.ProtoNetfilter, kerneltest.IPQueue: sock.ProtoFirewall, kerneltest.IP6Queue: sock.ProtoIP6FW,
		}[s.modules]
		for _, port := range []uint32{4711, 4712} {
			other, err := s.kernel.OpenAt(sock.Config{Protocol: protocol}, port)
			s.ok(err)
			defer other.Close()
		}
		s.open(queue.Config{})
		if port := s.socket().Port(); !s.isNFQueue() && port > math.MaxInt32 {
			s.Errorf("port %#x is negative", port)
		}
		j := s.injectOne()
		s.ok(s.next().Drop())
		s.fate(j, kerneltest.Dropped)
	})
}

// TestOpenBothFamilies opens a queue for each family.
func TestOpenBothFamilies(t *testing.T) {
	k := kerneltest.New(kerneltest.Options{Modules: hasIPQ | hasIP6Q})
	ctx := sock.WithKernel(context.Background(), k)
	for f, family := range map[queue.Family]kerneltest.Family{queue.IPv4: kerneltest.IPv4, queue.IPv6: kerneltest.IPv6} {
		q, err := queue.Open(ctx, queue.Config{Family: f})
		if err != nil {
			t.Fatal(err)
		}
		defer q.Close()
		j := k.Inject(kerneltest.Packet{Family: family, Payload: simUDP(f == queue.IPv6, pattern(9))})
		p := <-q.Packets()
		if p.Family != f {
			t.Errorf("family %v, want %v", p.Family, f)
		}
		if err := p.Accept(); err != nil {
			t.Error(err)
		}
		if got := j.Wait(); got != kerneltest.Accepted {
			t.Errorf("fate %v, want Accepted", got)
		}
	}
}

// TestOpenReadsNothing checks that packets stay in the kernel until Packets or
// All is called.
func TestOpenReadsNothing(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		s.inject(5)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := s.socket().Unread(); got != 5 {
			s.Errorf("%d datagrams wait in the socket, want 5", got)
		}
	})
}
