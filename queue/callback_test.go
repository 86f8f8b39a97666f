package queue

import (
	"sync"
	"testing"
	"testing/synctest"
)

// TestCallsSkipped makes more calls wait than are kept.
func TestCallsSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var release sync.WaitGroup
		release.Add(1)
		called := 0
		c := callback[int]{f: func(n int) {
			if called++; n != called {
				t.Errorf("call %d is for %d", called, n)
			}
			release.Wait()
		}}
		c.later(1)
		synctest.Wait()
		const more = 100
		for n := range maxWaiting + more {
			c.later(n + 2)
		}
		if got := c.skipped.Load(); got != more {
			t.Errorf("%d calls skipped, want %d", got, more)
		}
		release.Done()
		synctest.Wait()
		if called != maxWaiting+1 {
			t.Errorf("%d calls, want %d", called, maxWaiting+1)
		}
	})
}
