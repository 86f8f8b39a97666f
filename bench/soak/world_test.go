package main

import "testing"

func TestPassage(t *testing.T) {
	// One rule for each mark, and three for packets without a mark.
	got := passageOf([]uint64{1, 2, 3, 4, 5, 10, 20, 30}).sub(passageOf([]uint64{1, 1, 1, 1, 1, 1, 1, 1}))
	if want := (passage{57, 0, 1, 2, 3, 4}); got != want {
		t.Errorf("passage %v, want %v", got, want)
	}
	if got, want := len(countingRules()), 8; got != want {
		t.Errorf("%d rules count, want %d", got, want)
	}
}
