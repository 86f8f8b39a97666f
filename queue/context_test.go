package queue_test

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
)

// contextEnds are the ways in which a context can end, with the cause that it
// then has.
var contextEnds = map[string]struct {
	with func(context.Context) (context.Context, func())
	want []error
}{
	"cancelled": {func(ctx context.Context) (context.Context, func()) {
		ctx, cancel := context.WithCancel(ctx)
		return ctx, cancel
	}, []error{context.Canceled}},
	"cause": {func(ctx context.Context) (context.Context, func()) {
		ctx, cancel := context.WithCancelCause(ctx)
		return ctx, func() { cancel(errEnough) }
	}, []error{context.Canceled, errEnough}},
	"deadline": {func(ctx context.Context) (context.Context, func()) {
		ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
		return ctx, func() { <-ctx.Done(); cancel() }
	}, []error{context.DeadlineExceeded}},
	"deadline, cause": {func(ctx context.Context) (context.Context, func()) {
		ctx, cancel := context.WithTimeoutCause(ctx, time.Millisecond, errEnough)
		return ctx, func() { <-ctx.Done(); cancel() }
	}, []error{context.DeadlineExceeded, errEnough}},
}

var errEnough = errors.New("enough")

// Calls that the end of their context ends return an error that matches both
// what the context says and its cause.
func TestCallsEnd(t *testing.T) {
	for name, test := range contextEnds {
		t.Run(name, func(t *testing.T) {
			simulate(t, both, kerneltest.Options{}, func(s *sim) {
				s.open(queue.Config{})
				s.kernel.HoldReplies()
				for call, f := range map[string]func(context.Context) error{
					"SetMode": func(ctx context.Context) error { return s.q.SetMode(ctx, queue.MetaOnly) },
					"Open":    func(ctx context.Context) error { _, err := s.kind.open(ctx, queue.Config{}); return err },
				} {
					for _, early := range []bool{true, false} {
						ctx, end := test.with(s.ctx)
						if early {
							end()
						}
						result := make(chan error)
						go func() { result <- f(ctx) }()
						synctest.Wait()
						end()
						err := <-result
						for _, want := range test.want {
							if !errors.Is(err, want) {
								s.Errorf("%s, early %t: %q does not match %q", call, early, err, want)
							}
						}
					}
				}
				s.kernel.ReleaseReplies()
			})
		})
	}
}

// A signal that ends the context while Open waits ends it as a cancellation.
func TestOpenInterrupted(t *testing.T) {
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	k := kerneltest.New(kerneltest.Options{})
	k.HoldReplies()
	defer k.ReleaseReplies()
	ctx, stop := signal.NotifyContext(sock.WithKernel(context.Background(), k), os.Interrupt)
	defer stop()
	if err := self.Signal(os.Interrupt); err != nil {
		t.Skipf("needs a process that can interrupt itself: %v", err)
	}
	if _, err := queue.Open(ctx, queue.Config{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Open: %v, want context.Canceled", err)
	}
}
