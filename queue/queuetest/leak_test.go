package queuetest_test

import (
	"os"
	"os/signal"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/queue/queuetest"
)

// startSleeper returns when the goroutine runs: before, its stack does not show what
// it is.
func startSleeper(stop <-chan struct{}) {
	running := make(chan struct{})
	go sleeper(running, stop)
	<-running
}

func sleeper(running chan<- struct{}, stop <-chan struct{}) {
	close(running)
	<-stop
}

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
				startSleeper(stop) // started before New: not checked
				queuetest.New(t, test.options)
				startSleeper(stop)
			}), test.want)
		})
	}
}

// TestLeakOfAnother runs two tests at the same time, of which one leaks a
// goroutine. Only that one must fail.
func TestLeakOfAnother(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	compare(t, run(func(t queuetest.TB) {
		queuetest.New(t, queuetest.Options{})
		inner := run(func(t queuetest.TB) {
			queuetest.New(t, queuetest.Options{Timeout: time.Millisecond})
			startSleeper(stop)
		})
		if len(inner) != 1 {
			t.Errorf("the other test has failures %q, want one", inner)
		}
	}), nil)
}

// TestLeakOfSignal checks that the goroutine of package os/signal, which never
// ends, does not fail a test.
func TestLeakOfSignal(t *testing.T) {
	compare(t, run(func(t queuetest.TB) {
		queuetest.New(t, queuetest.Options{Timeout: 20 * time.Millisecond})
		c := make(chan os.Signal, 1)
		signal.Notify(c, os.Interrupt)
		signal.Stop(c)
	}), nil)
}
