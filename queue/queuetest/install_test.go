package queuetest_test

import (
	"context"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/queue/queuetest"
)

// A dropper is a program whose constructor takes no context.
type dropper struct {
	q    *queue.Queue
	done chan struct{}
}

func newDropper(number uint16) (*dropper, error) {
	q, err := queue.Open(context.Background(), queue.Config{Number: number})
	if err != nil {
		return nil, err
	}
	f := &dropper{q, make(chan struct{})}
	go func() {
		defer close(f.done)
		for p := range q.Packets() {
			_ = p.Drop()
		}
	}()
	return f, nil
}

func (f *dropper) close() {
	_ = f.q.Close()
	<-f.done
}

// Tests that run in parallel find their own kernels.
func TestInstall(t *testing.T) {
	for _, name := range []string{"one", "another"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := queuetest.New(t, queuetest.Options{Number: 5})
			k.Install()
			for range 3 {
				f, err := newDropper(5)
				if err != nil {
					t.Fatal(err)
				}
				k.Send(hello).WantDropped()
				f.close()
			}
		})
	}
}

// TestInstallWithoutLabels checks that a goroutine with other labels uses the
// only kernel there is.
func TestInstallWithoutLabels(t *testing.T) {
	k := queuetest.New(t, queuetest.Options{Number: 5})
	k.Install()
	done := make(chan struct{})
	go pprof.Do(context.Background(), pprof.Labels("other", "label"), func(context.Context) {
		defer close(done)
		f, err := newDropper(5)
		if err != nil {
			t.Error(err)
			return
		}
		k.Send(hello).WantDropped()
		f.close()
	})
	<-done
}

// Code that would open a queue of the running kernel by mistake fails, and the
// test with it.
func TestNotInstalled(t *testing.T) {
	var got error
	const text = "would have opened a queue of the real kernel: pass it Kernel.Context"
	failing(t, func(t queuetest.TB) {
		queuetest.New(t, queuetest.Options{})
		_, got = newDropper(5)
	}, text)
	if got == nil || !strings.Contains(got.Error(), text) {
		t.Errorf("Open: %v, want %q", got, text)
	}
}

// TestAllowRunningKernel checks that a test with AllowRunningKernel, and one
// that is over, may use the running kernel.
func TestAllowRunningKernel(t *testing.T) {
	failing(t, func(t queuetest.TB) {
		queuetest.New(t, queuetest.Options{AllowRunningKernel: true})
		openRunning(t)
	})
	openRunning(t)
}

// openRunning asks for a queue in a network namespace that does not exist.
func openRunning(t queuetest.TB) {
	_, err := queue.Open(context.Background(), queue.Config{NetNS: 1 << 20})
	if err == nil || strings.Contains(err.Error(), "queuetest") {
		t.Errorf("Open: %v, want the running kernel's error", err)
	}
}
