package queuetest_test

import (
	"time"

	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/queue/queuetest"
)

// A packet without a verdict fails the test, even if the test does not check it.
func ExampleNew() {
	show(func(t queuetest.TB) {
		k := queuetest.New(t, queuetest.Options{Timeout: time.Second})
		q := k.Open(queue.Config{})
		k.Send(queuetest.TCP("10.0.0.1:40000", "10.0.0.2:80", queuetest.TCPHeader{Flags: queuetest.SYN}, nil))
		<-q.Packets() // the program gives no verdict
	})
	// Output:
	// packet 1 (TCP 10.0.0.1:40000 > 10.0.0.2:80 SYN, 40 bytes), sent at example_new_test.go:15, still waits for a verdict
	// FAIL
}
