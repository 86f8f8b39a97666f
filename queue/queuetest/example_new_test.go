package queuetest_test

import (
	"time"

	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/queue/queuetest"
)

// A packet that the program forgets fails the test, although nobody asked.
func ExampleNew() {
	show(func(t queuetest.TB) {
		k := queuetest.New(t, queuetest.Options{Timeout: time.Second})
		q := k.Open(queue.Config{})
		k.Send(queuetest.TCP("10.0.0.1:40000", "10.0.0.2:80", queuetest.TCPHeader{Flags: queuetest.SYN}, nil))
		<-q.Packets() // and no verdict
	})
	// Output:
	// packet 1 (TCP 10.0.0.1:40000 > 10.0.0.2:80 SYN, 40 bytes), sent at example_new_test.go:15, still waits for a verdict
	// FAIL
}
