package queuetest_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/queue/queuetest"
)

// TestBackends opens both kinds of queue, by name and with Auto.
func TestBackends(t *testing.T) {
	packets := []queuetest.Packet{hello, queuetest.UDP("[fd00::1]:1", "[fd00::2]:2", nil)}
	for _, test := range []struct {
		kernel queue.Backend
		config queue.Config
		packet queuetest.Packet
	}{
		{queue.Auto, queue.Config{}, packets[0]},
		{queue.Auto, queue.Config{Backend: queue.NFQueue}, packets[1]},
		{queue.NFQueue, queue.Config{Number: 3}, packets[1]},
		{queue.IPQueue, queue.Config{}, packets[0]},
		{queue.IPQueue, queue.Config{Family: queue.IPv6}, packets[1]},
		{queue.IPQueue, queue.Config{Backend: queue.IPQueue}, packets[0]},
	} {
		failing(t, func(t queuetest.TB) {
			k := queuetest.New(t, queuetest.Options{Backend: test.kernel, Number: test.config.Number})
			decide(k, test.config, always(accept))
			k.Send(test.packet).WantAccepted()
		})
	}
}

func TestOpenFails(t *testing.T) {
	failing(t, func(t queuetest.TB) {
		k := queuetest.New(t, queuetest.Options{Backend: queue.IPQueue})
		k.Open(queue.Config{Number: 5})
		t.Errorf("the test continues")
	}, "ip_queue: not supported: leave out Config.Number")
}

// TestRealTime runs without a synctest bubble, in parallel with other tests.
func TestRealTime(t *testing.T) {
	t.Parallel()
	for range 4 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			k := queuetest.New(t, queuetest.Options{})
			decide(k, queue.Config{}, always(accept))
			var senders sync.WaitGroup
			for range 4 {
				senders.Go(func() {
					for range 50 {
						k.Send(hello)
					}
					k.Send(hello).WantAccepted()
				})
			}
			senders.Wait()
		})
	}
}

// TestSendWaits checks that Send waits for a queue that is opened later.
func TestSendWaits(t *testing.T) {
	eachBackend(t, func(t *testing.T, o queuetest.Options) {
		k := queuetest.New(t, o)
		k.Go(func(ctx context.Context) error {
			time.Sleep(time.Second)
			q, err := queue.Open(ctx, queue.Config{})
			if err != nil {
				return err
			}
			for p := range q.All() {
				p.Accept()
			}
			return q.Err()
		})
		k.Send(hello).WantAccepted()
	})
}

// TestSendDoesNotWait checks that Send does not wait if no queue will be opened,
// or none is required.
func TestSendDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		k := queuetest.New(t, queuetest.Options{})
		p := hello
		p.Bypass = true
		k.Send(p).Want(queuetest.Bypassed)
		k.Go(func(context.Context) error { return nil }).Wait()
		k.Send(hello).Want(queuetest.Unheard)
		k.Revoke()
		k.Send(hello)
		if d := time.Since(start); d > time.Second {
			t.Errorf("it took %v", d)
		}
	})
}

// TestSendGivesUp checks that Send stops waiting, and that the failure has the
// reason.
func TestSendGivesUp(t *testing.T) {
	failing(t, func(t queuetest.TB) {
		k := queuetest.New(t, queuetest.Options{Timeout: time.Minute})
		k.Open(queue.Config{Number: 1})
		start := time.Now()
		k.Send(hello).WantAccepted()
		if d := time.Since(start); d < time.Minute || d > time.Minute+time.Second {
			t.Errorf("it took %v", d)
		}
	}, "was dropped by the kernel: no program had opened queue 0 (opened: 1); want Accepted")
}

// TestSendKeepsNothing checks that Send keeps no slice of the caller.
func TestSendKeepsNothing(t *testing.T) {
	k := queuetest.New(t, queuetest.Options{})
	q := k.Open(queue.Config{})
	p := queuetest.UDP("10.0.0.1:1", "10.0.0.2:2", []byte("text"))
	want := bytes.Clone(p.Payload)
	s := k.Send(p)
	clear(p.Payload)
	got := <-q.Packets()
	if !bytes.Equal(got.Payload, want) {
		t.Errorf("payload % x, want % x", got.Payload, want)
	}
	got.Accept()
	s.WantAccepted()
}

// TestHeld checks a packet that the program still holds, before and after its
// deadline.
func TestHeld(t *testing.T) {
	eachBackend(t, func(t *testing.T, o queuetest.Options) {
		k := queuetest.New(t, o)
		q := decide(k, queue.Config{Deadline: time.Second, OnDeadline: queue.Accept}, always(none))
		s := k.Send(hello)
		synctest.Wait()
		if f := s.Outcome().Fate; f != queuetest.Pending {
			t.Errorf("fate %v, want Pending", f)
		}
		s.WantAccepted()
		synctest.Wait()
		if n := q.Stats().Expired; n != 1 {
			t.Errorf("%d packets expired, want 1", n)
		}
	})
}

// TestContext checks that Context ends at the end of the test, and not before.
func TestContext(t *testing.T) {
	var ctx context.Context
	failing(t, func(t queuetest.TB) {
		k := queuetest.New(t, queuetest.Options{})
		ctx = k.Context()
		if ctx.Err() != nil {
			t.Errorf("the context has ended before the test")
		}
	})
	if !errors.Is(ctx.Err(), context.Canceled) {
		t.Errorf("after the test: %v, want context.Canceled", ctx.Err())
	}
}

// TestGroup opens several queues with one call and sends packets to each.
func TestGroup(t *testing.T) {
	failing(t, func(t queuetest.TB) {
		k := queuetest.New(t, queuetest.Options{})
		k.Go(func(ctx context.Context) error {
			g, err := queue.OpenGroup(ctx, queue.Config{Number: 4}.Balance(2)...)
			if err != nil {
				return err
			}
			defer g.Close()
			for p := range g.Packets() {
				p.Accept()
			}
			return g.Err()
		})
		for number := range uint16(2) {
			p := hello
			p.Number = 4 + number
			k.Send(p).WantAccepted()
		}
	})
}
