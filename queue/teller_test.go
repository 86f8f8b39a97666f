package queue

import (
	"sync"
	"testing"
	"testing/synctest"
)

// TestUntold has more calls wait for the application than are kept.
func TestUntold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var release sync.WaitGroup
		release.Add(1)
		called := 0
		c := teller[int]{call: func(n int) {
			if called++; n != called {
				t.Errorf("call %d is for %d", called, n)
			}
			release.Wait()
		}}
		c.tell(1)
		synctest.Wait()
		const more = 100
		for n := range maxWaiting + more {
			c.tell(n + 2)
		}
		if got := c.untold.Load(); got != more {
			t.Errorf("%d untold, want %d", got, more)
		}
		release.Done()
		synctest.Wait()
		if called != maxWaiting+1 {
			t.Errorf("%d calls, want %d", called, maxWaiting+1)
		}
	})
}
