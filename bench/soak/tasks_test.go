package main

import (
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"testing"
)

func TestTasks(t *testing.T) {
	var told atomic.Int64
	failed := errors.New("failed")
	group := tasks{failed: func(error) { told.Add(1) }}
	r := rand.New(rand.NewPCG(1, 2))
	numbers := make([]uint64, 3)
	for i := range numbers {
		group.start(r, func(own *rand.Rand) error {
			numbers[i] = own.Uint64()
			if i == 1 {
				return failed
			}
			return nil
		})
	}
	if err := group.wait(); !errors.Is(err, failed) || told.Load() != 1 {
		t.Errorf("wait() = %v, told of %d errors, want one", err, told.Load())
	}
	if numbers[0] == numbers[1] || numbers[1] == numbers[2] {
		t.Errorf("the tasks' numbers are the same: %v", numbers)
	}
}
