package testutil

import (
	"context"
	"testing"
)

// Background calls run on a new goroutine. At the end of the test it ends the
// context of run, and fails the test if run then returns an error.
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
