package main

import (
	"testing"

	"github.com/ipqueue/ipqueue/queue"
)

// TestRecent checks that the oldest connections are forgotten, no matter how
// often they were answered.
func TestRecent(t *testing.T) {
	r := newRecent(3)
	for _, first := range []uint32{1, 2, 2, 3, 2, 4, 5} {
		r.remember(connection{first: first}, queue.Accept)
	}
	r.remember(connection{first: 5}, queue.Drop)
	for first, want := range map[uint32]queue.Action{1: 0, 2: 0, 3: queue.Accept, 4: queue.Accept, 5: queue.Drop} {
		if got := r.actions[connection{first: first}]; got != want {
			t.Errorf("connection %d: %v, want %v", first, got, want)
		}
	}
	if len(r.actions) != 3 {
		t.Errorf("%d connections are remembered, want 3", len(r.actions))
	}
}
