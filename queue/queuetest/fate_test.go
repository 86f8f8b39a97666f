package queuetest_test

import (
	"testing"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue/queuetest"
)

// TestFates checks that each Fate equals the one of the simulated kernel.
func TestFates(t *testing.T) {
	for f := range kerneltest.Segmented + 1 {
		got := queuetest.Fate(f)
		if got.String() != f.String() || got.Passes() != f.Passes() {
			t.Errorf("fate %d: %v, passes %t; want %v, %t", f, got, got.Passes(), f, f.Passes())
		}
	}
	if got := (queuetest.Segmented + 1).String(); got != "Fate(13)" {
		t.Errorf("unknown fate is called %q", got)
	}
}
