package testutil

import (
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/leak"
)

// CheckLeaks makes the test fail if, when it and its later cleanups are done,
// goroutines or descriptors are left that were not there before. Call it first
// and not in tests that run in parallel with others.
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
