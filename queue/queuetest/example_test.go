package queuetest_test

import (
	"context"

	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/queue/queuetest"
)

// filter is the program under test. It drops packets to a blocked port.
func filter(ctx context.Context, blocked uint16) error {
	q, err := queue.Open(ctx, queue.Config{Number: 5})
	if err != nil {
		return err
	}
	defer q.Close()
	for p := range q.All() {
		if p.Flow().Destination.Port() == blocked {
			_ = p.Drop()
		} else {
			_ = p.Accept()
		}
	}
	return q.Err()
}

// testFilter is its test. In a test file it would be func TestFilter(t *testing.T).
func testFilter(t queuetest.TB, blocked uint16) {
	k := queuetest.New(t, queuetest.Options{Number: 5})
	k.Go(func(ctx context.Context) error { return filter(ctx, blocked) })

	k.Send(queuetest.UDP("10.0.0.1:5000", "10.0.0.2:53", []byte("query"))).WantDropped()
	k.Send(queuetest.UDP("10.0.0.1:5000", "10.0.0.2:123", nil)).WantAccepted()
}

// Test a filter. The first test passes. The second fails, because the filter
// blocks the wrong port. Function show, of another file, runs a test and prints
// its failures.
func Example() {
	show(func(t queuetest.TB) { testFilter(t, 53) })
	show(func(t queuetest.TB) { testFilter(t, 123) })
	// Output:
	// PASS
	// packet 1 (UDP 10.0.0.1:5000 > 10.0.0.2:53, 33 bytes) was accepted; want Dropped
	// packet 2 (UDP 10.0.0.1:5000 > 10.0.0.2:123, 28 bytes) was dropped by a verdict; want Accepted
	// FAIL
}
