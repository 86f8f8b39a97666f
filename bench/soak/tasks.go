package main

import (
	"errors"
	"math/rand/v2"
	"sync"
)

// Tasks are goroutines, each with random numbers of its own, whose errors are
// kept. The zero value is ready.
type tasks struct {
	group sync.WaitGroup
	mu    sync.Mutex
	errs  []error
	// failed, if not nil, is told of each error.
	failed func(error)
}

// start starts a task with random numbers that follow from r's.
func (t *tasks) start(r *rand.Rand, work func(*rand.Rand) error) {
	own := fork(r)
	t.group.Go(func() {
		if err := work(own); err != nil {
			t.mu.Lock()
			t.errs = append(t.errs, err)
			t.mu.Unlock()
			if t.failed != nil {
				t.failed(err)
			}
		}
	})
}

// wait waits for all tasks and returns what they returned.
func (t *tasks) wait() error {
	t.group.Wait()
	return errors.Join(t.errs...)
}

// fork returns random numbers that follow from r's.
func fork(r *rand.Rand) *rand.Rand { return rand.New(rand.NewPCG(r.Uint64(), r.Uint64())) }
