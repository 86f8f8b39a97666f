package queuetest_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/queue/queuetest"
)

// quiet waits until no packet or verdict is being processed.
func quiet() {
	synctest.Wait()
	time.Sleep(time.Millisecond)
	synctest.Wait()
}

func TestOverrun(t *testing.T) {
	eachBackend(t, func(t *testing.T, o queuetest.Options) {
		k := queuetest.New(t, o)
		q := decide(k, queue.Config{}, always(accept))
		k.Send(hello).WantAccepted()
		k.Overrun(2)
		k.Send(hello).Want(queuetest.Undelivered)
		k.Send(hello) // has no verdict, which must not fail the test
		quiet()
		k.Send(hello).WantAccepted()
		quiet()
		n := q.Stats()
		if o.Backend == queue.IPQueue {
			// One report may stand for both.
			if n.Overruns < 1 || n.Overruns > 2 || n.Kernel.SocketDropped != 2 {
				t.Errorf("%d overruns, kernel %+v, want 1 or 2, and 2 drops", n.Overruns, n.Kernel)
			}
		} else if n.Missed != 2 || n.Kernel.SocketDropped != 2 {
			t.Errorf("%d packets missed, kernel %+v, want 2 and 2 drops", n.Missed, n.Kernel)
		}
	})
}

func TestOverrunFailOpen(t *testing.T) {
	k := queuetest.New(t, queuetest.Options{})
	decide(k, queue.Config{FailOpen: true}, always(accept))
	k.Overrun(1)
	k.Send(hello).Want(queuetest.FailedOpen)
	k.Send(hello).WantAccepted()
}

func TestRefuseVerdicts(t *testing.T) {
	const refused = kerneltest.Errno(2) // ENOENT
	eachBackend(t, func(t *testing.T, o queuetest.Options) {
		k := queuetest.New(t, o)
		told := make(chan error, 1)
		q := decide(k, queue.Config{OnRefused: func(_ uint64, err error) { told <- err }}, always(accept))
		k.RefuseVerdicts(1, refused)
		s := k.Send(hello)
		if err := <-told; !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("OnRefused got %v, want ENOENT", err)
		}
		if f := s.Outcome().Fate; f != queuetest.Pending {
			t.Errorf("fate %v, want Pending", f)
		}
		k.Send(hello).WantAccepted()
		quiet()
		if n := q.Stats(); n.Refused != 1 {
			t.Errorf("%d verdicts refused, want 1", n.Refused)
		}
	})
}

func TestRefuseVerdictsWants(t *testing.T) {
	k := queuetest.New(t, queuetest.Options{})
	defer func() {
		if s, ok := recover().(string); !ok || !strings.Contains(s, "no luck is not a syscall.Errno") {
			t.Errorf("panic %q, want one about the error", s)
		}
	}()
	k.RefuseVerdicts(1, errors.New("no luck"))
}

// TestRemoveRules checks that waiting packets are dropped, and no others.
func TestRemoveRules(t *testing.T) {
	eachBackend(t, func(t *testing.T, o queuetest.Options) {
		k := queuetest.New(t, o)
		q := k.Open(queue.Config{})
		packets := q.Packets()
		kept, unseen := k.Send(hello), k.Send(hello)
		k.RemoveRules()
		if o.Backend == queue.NFQueue {
			kept.Want(queuetest.Flushed)
		}
		for range 2 {
			p := <-packets
			p.Accept()
		}
		s := k.Send(hello)
		(<-packets).Drop()
		s.WantDropped()
		if o.Backend == queue.IPQueue {
			kept.WantAccepted()
			unseen.WantAccepted()
		}
	})
}

// TestRemoveRulesAlone checks that other losses still fail the test.
func TestRemoveRulesAlone(t *testing.T) {
	failing(t, func(t queuetest.TB) {
		k := queuetest.New(t, queuetest.Options{})
		q := k.Open(queue.Config{})
		k.Send(hello)
		k.RemoveRules()
		k.Send(hello)
		q.Close()
	}, "packet 2 (UDP 10.0.0.1:5000 > 10.0.0.2:53, 33 bytes), sent at fault_test.go:…, was dropped by the kernel while it waited")
}

func TestLinkDown(t *testing.T) {
	eachBackend(t, func(t *testing.T, o queuetest.Options) {
		k := queuetest.New(t, o)
		q := k.Open(queue.Config{})
		down, up := hello, hello
		down.In, up.In, up.Out = "eth0", "eth1", "lo"
		lost, kept := k.Send(down), k.Send(up)
		k.LinkDown("eth0")
		lost.Want(queuetest.Flushed)
		for range 2 {
			p := <-q.Packets()
			p.Accept()
		}
		kept.WantAccepted()
	})
}

func TestRevoke(t *testing.T) {
	eachBackend(t, func(t *testing.T, o queuetest.Options) {
		k := queuetest.New(t, o)
		q := decide(k, queue.Config{}, always(accept))
		k.Revoke()
		k.Send(hello)
		quiet()
		if err := q.Err(); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("Err = %v, want EPERM", err)
		}
		if _, err := queue.Open(k.Context(), queue.Config{Number: 9, Backend: o.Backend}); err == nil {
			t.Error("another queue can be opened")
		}
	})
}

func TestRevokeBefore(t *testing.T) {
	failing(t, func(t queuetest.TB) {
		k := queuetest.New(t, queuetest.Options{})
		k.Revoke()
		if _, err := queue.Open(k.Context(), queue.Config{}); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("Open = %v, want EPERM", err)
		}
	})
}

// TestBreak breaks the socket of a program, which then opens a new queue.
func TestBreak(t *testing.T) {
	eachBackend(t, func(t *testing.T, o queuetest.Options) {
		k := queuetest.New(t, o)
		held := make(chan struct{}, 2)
		program := func(ctx context.Context) error {
			q, err := queue.Open(ctx, queue.Config{})
			if err != nil {
				return err
			}
			defer q.Close()
			for range q.Packets() {
				held <- struct{}{}
			}
			return q.Err()
		}
		p := k.Go(program)
		k.Send(hello)
		<-held
		k.Break(errLuck)
		if err := p.Wait(); !errors.Is(err, errLuck) {
			t.Errorf("the program returned %v, want %v", err, errLuck)
		}
		decide(k, queue.Config{}, always(accept))
		k.Send(hello).WantAccepted()
	})
}

// TestBreakForgivesThePast checks that Break excuses only packets sent before it.
func TestBreakForgivesThePast(t *testing.T) {
	failing(t, func(t queuetest.TB) {
		k := queuetest.New(t, queuetest.Options{})
		k.Open(queue.Config{})
		k.Send(hello)
		k.Break(errLuck)
		quiet()
		k.Send(hello)
	}, "packet 2 (UDP 10.0.0.1:5000 > 10.0.0.2:53, 33 bytes)")
}
