package queuetest_test

import (
	"testing"
	"testing/synctest"

	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/queue/queuetest"
)

// hello is the packet of most tests.
var hello = queuetest.UDP("10.0.0.1:5000", "10.0.0.2:53", []byte("hello"))

// decide gives every packet of a new queue the verdict that choose returns; the
// zero Verdict gives none.
func decide(k *queuetest.Kernel, c queue.Config, choose func(p queue.Packet) queue.Verdict) *queue.Queue {
	q := k.Open(c)
	go func() {
		for p := range q.Packets() {
			if v := choose(p); v.Action != 0 {
				_ = p.Decide(v) // the test looks at what comes of it
			}
		}
	}()
	return q
}

// always chooses the same verdict.
func always(v queue.Verdict) func(queue.Packet) queue.Verdict {
	return func(queue.Packet) queue.Verdict { return v }
}

var (
	accept = queue.Verdict{Action: queue.Accept}
	drop   = queue.Verdict{Action: queue.Drop}
	none   = queue.Verdict{}
)

// backends are the two kinds of kernel.
var backends = []queue.Backend{queue.NFQueue, queue.IPQueue}

// eachBackend runs the test in a bubble, on each kind of kernel.
func eachBackend(t *testing.T, test func(t *testing.T, o queuetest.Options)) {
	t.Helper()
	for _, b := range backends {
		t.Run(b.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, queuetest.Options{Backend: b}) })
		})
	}
}
