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
				_ = p.Decide(v) // the test checks the result
			}
		}
	}()
	return q
}

// always returns a function that chooses the same verdict for every packet.
func always(v queue.Verdict) func(queue.Packet) queue.Verdict {
	return func(queue.Packet) queue.Verdict { return v }
}

var (
	accept = queue.Verdict{Action: queue.Accept}
	drop   = queue.Verdict{Action: queue.Drop}
	none   = queue.Verdict{}
)

// backends contains the two kinds of kernel.
var backends = []queue.Backend{queue.NFQueue, queue.IPQueue}

// eachBackend runs the test with each kind of kernel, in a synctest bubble.
func eachBackend(t *testing.T, test func(t *testing.T, o queuetest.Options)) {
	t.Helper()
	for _, b := range backends {
		t.Run(b.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, queuetest.Options{Backend: b}) })
		})
	}
}
