package main

import (
	"errors"
	"math/rand/v2"
	"sync"
)

// Tasks is a group of goroutines. Each has its own source of random numbers. The zero
// value is ready to use.
type tasks struct {
	group sync.WaitGroup
	mu    sync.Mutex
	errs  []error
	// failed, if not nil, is called with each error.
	failed func(error)
}

// start runs work in a new goroutine, with a source that r determines.
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

// wait waits for all goroutines and returns their errors.
func (t *tasks) wait() error {
	t.group.Wait()
	return errors.Join(t.errs...)
}

// fork returns a new source of random numbers that r determines.
func fork(r *rand.Rand) *rand.Rand { return rand.New(rand.NewPCG(r.Uint64(), r.Uint64())) }
