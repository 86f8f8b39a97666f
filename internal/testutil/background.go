package testutil

import (
	"context"
	"testing"
)

// Background calls run on a goroutine of its own and ends its context when the
// test is done, which fails if run then returns an error.
func Background(t testing.TB, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("ended with %v", err)
		}
	})
}
