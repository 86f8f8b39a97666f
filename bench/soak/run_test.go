package main

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestCheckHeap(t *testing.T) {
	s := new(soaking)
	for i, test := range []struct {
		heap uint64
		ok   bool
	}{
		{1 << 20, true},
		{20 << 20, true}, // the heap may still grow
		{5 << 20, true},
		{20<<20 + heapGrowth, true},
		{20<<20 + heapGrowth + 1, false},
		{1 << 20, true},
	} {
		s.rounds = i + 1
		if err := s.checkHeap(test.heap); (err == nil) != test.ok {
			t.Errorf("round %d, %d bytes: %v, want it accepted: %t", s.rounds, test.heap, err, test.ok)
		}
	}
}

func TestWithin(t *testing.T) {
	failed := errors.New("failed")
	if err := within(patience, "it fails", func() error { return failed }); err != failed {
		t.Errorf("within = %v, want what the work returned", err)
	}
	release := make(chan struct{})
	err := within(time.Millisecond, "pigs fly", func() error { <-release; return nil })
	close(release)
	if err == nil || !strings.Contains(err.Error(), "in vain until pigs fly\ngoroutine ") {
		t.Errorf("within = %v, want what was waited for, and stacks", err)
	}
}
