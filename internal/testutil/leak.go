package testutil

import (
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/leak"
)

// CheckLeaks fails the test if, after the test and its later cleanups, there are
// goroutines or descriptors that did not exist before. Call it at the start of a
// test, and not in tests that run in parallel.
func CheckLeaks(t testing.TB) {
	t.Helper()
	checkLeaks(t, patience)
}

func checkLeaks(t testing.TB, within time.Duration) {
	t.Helper()
	before := leak.Take()
	t.Cleanup(func() {
		t.Helper()
		for _, l := range before.Leaks(within) {
			t.Errorf("leaked %s", l)
		}
	})
}
