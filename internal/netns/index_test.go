package netns

import "testing"

// An index is a positive int of C, far from those that the kernel counts up.
func TestNewIndex(t *testing.T) {
	for range 1000 {
		if index := newIndex(); index < 1<<16 || index > 1<<31-1 {
			t.Fatalf("index %d", index)
		}
	}
}
