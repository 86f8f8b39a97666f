package queue

import (
	"sync"
	"sync/atomic"
)

// A callback calls a function of the application, one call at a time, from a
// goroutine that exists while calls wait. So neither the reader nor a verdict
// call ever runs code of the application.
type callback[T any] struct {
	f func(T) // nil if the application has set no function

	skipped atomic.Uint64 // calls left out because too many waited
	mu      sync.Mutex    // guards the following fields
	waiting []T           // arguments of the calls that wait
	running bool          // the goroutine exists
}

// maxWaiting is the number of calls that may wait. Further ones are left out.
const maxWaiting = 1 << 16

// later makes the goroutine call the function with arg.
func (c *callback[T]) later(arg T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.f == nil {
		return
	}
	if len(c.waiting) == maxWaiting {
		c.skipped.Add(1)
		return
	}
	c.waiting = append(c.waiting, arg)
	if !c.running {
		c.running = true
		go c.run()
	}
}

func (c *callback[T]) run() {
	for {
		arg, ok := c.next()
		if !ok {
			return
		}
		c.f(arg)
	}
}

// next returns the argument of the call that has waited longest. If none waits,
// the goroutine must end.
func (c *callback[T]) next() (arg T, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == 0 {
		c.waiting, c.running = nil, false
		return arg, false
	}
	var none T
	arg, c.waiting[0] = c.waiting[0], none
	c.waiting = c.waiting[1:]
	return arg, true
}
