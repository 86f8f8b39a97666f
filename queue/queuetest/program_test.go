package queuetest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/queue/queuetest"
)

var errLuck = errors.New("no luck")

func TestProgramWait(t *testing.T) {
	failing(t, func(t queuetest.TB) {
		k := queuetest.New(t, queuetest.Options{})
		p := k.Go(func(context.Context) error { time.Sleep(time.Second); return errLuck })
		for range 2 {
			if err := p.Wait(); err != errLuck {
				t.Errorf("Wait = %v, want %v", err, errLuck)
			}
		}
	})
}

func TestProgramStop(t *testing.T) {
	failing(t, func(t queuetest.TB) {
		k := queuetest.New(t, queuetest.Options{})
		other := k.Go(func(ctx context.Context) error { <-ctx.Done(); return nil })
		p := k.Go(func(ctx context.Context) error { <-ctx.Done(); return errLuck })
		for range 2 {
			if err := p.Stop(); err != errLuck {
				t.Errorf("Stop = %v, want %v", err, errLuck)
			}
		}
		if err := other.Stop(); err != nil {
			t.Errorf("Stop of the other program = %v, want nil", err)
		}
	})
}

func TestProgramDoesNotReturn(t *testing.T) {
	failing(t, func(t queuetest.TB) {
		k := queuetest.New(t, queuetest.Options{})
		k.Go(func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(15 * time.Second) // too late for the check of programs, in time for that of goroutines
			return nil
		})
	}, "the program has not returned after 10s")
}
