package main

import (
	"container/heap"
	"math/rand/v2"
	"testing"
	"time"
)

// TestSchedule checks that packets are ordered by their due time, and then by
// their arrival.
func TestSchedule(t *testing.T) {
	var s schedule
	random, start := rand.New(rand.NewPCG(1, 2)), time.Now()
	for number := range 1000 {
		due := start.Add(time.Duration(random.IntN(50)))
		heap.Push(&s, held{due: due, number: number})
	}
	last := held{number: -1}
	for n := 1000; len(s) > 0; n-- {
		h := heap.Pop(&s).(held)
		if len(s) != n-1 {
			t.Fatalf("%d are left, want %d", len(s), n-1)
		}
		if h.due.Before(last.due) || h.due.Equal(last.due) && h.number < last.number {
			t.Fatalf("number %d, due at %v, comes after %d, due at %v", h.number, h.due, last.number, last.due)
		}
		last = h
	}
}
