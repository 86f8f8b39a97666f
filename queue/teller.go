package queue

import (
	"sync"
	"sync/atomic"
)

// A teller calls a function of the application, one call at a time and from a
// goroutine that exists while there is something to tell. So neither the reader
// nor a verdict call ever runs the application's code.
type teller[T any] struct {
	call func(T) // nil if the application has no such function

	untold  atomic.Uint64 // calls left out
	mu      sync.Mutex
	waiting []T
	telling bool
}

// maxWaiting is how many calls of a function of the application may wait. What
// comes beyond is counted in Stats, but the function is not called.
const maxWaiting = 1 << 16

// tell calls the function soon.
func (t *teller[T]) tell(what T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.call == nil {
		return
	}
	if len(t.waiting) == maxWaiting {
		t.untold.Add(1)
		return
	}
	t.waiting = append(t.waiting, what)
	if !t.telling {
		t.telling = true
		go t.run()
	}
}

func (t *teller[T]) run() {
	for {
		list := t.take()
		if len(list) == 0 {
			return
		}
		for _, what := range list {
			t.call(what)
		}
	}
}

// take returns what waits, nothing if the goroutine that tells it may end.
func (t *teller[T]) take() []T {
	t.mu.Lock()
	defer t.mu.Unlock()
	waiting := t.waiting
	t.waiting = nil
	t.telling = len(waiting) > 0
	return waiting
}
