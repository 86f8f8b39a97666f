package queuetest_test

import (
	"os"
	"os/signal"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/queue/queuetest"
)

func sleeper(stop <-chan struct{}) { <-stop }

func TestLeak(t *testing.T) {
	for name, test := range map[string]struct {
		options queuetest.Options
		want    []string
	}{
		"reported": {queuetest.Options{}, []string{"queuetest_test.sleeper"}},
		"allowed":  {queuetest.Options{AllowLeaks: true}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			stop := make(chan struct{})
			defer close(stop)
			test.options.Timeout = 20 * time.Millisecond
			compare(t, run(func(t queuetest.TB) {
				go sleeper(stop) // not the kernel's concern
				queuetest.New(t, test.options)
				go sleeper(stop)
			}), test.want)
		})
	}
}

// TestLeakOfAnother finds what another test leaves, which runs at the same time,
// there and not here.
func TestLeakOfAnother(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	compare(t, run(func(t queuetest.TB) {
		queuetest.New(t, queuetest.Options{})
		inner := run(func(t queuetest.TB) {
			queuetest.New(t, queuetest.Options{Timeout: time.Millisecond})
			go sleeper(stop)
		})
		if len(inner) != 1 {
			t.Errorf("the other test has failures %q, want one", inner)
		}
	}), nil)
}

// TestLeakOfSignal leaves the goroutine that package os/signal starts once.
func TestLeakOfSignal(t *testing.T) {
	compare(t, run(func(t queuetest.TB) {
		queuetest.New(t, queuetest.Options{Timeout: 20 * time.Millisecond})
		c := make(chan os.Signal, 1)
		signal.Notify(c, os.Interrupt)
		signal.Stop(c)
	}), nil)
}
