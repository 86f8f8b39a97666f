package main

import (
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/queue"
)

// TestRecorderNeverWaits checks that the recorder only counts packets while
// nothing can be written, and does not wait.
func TestRecorderNeverWaits(t *testing.T) {
	writing, blocked := make(chan *record), make(chan struct{})
	r := newRecorder(2, true, func(next *record, _ bool) { writing <- next; <-blocked })
	for i := range 5 {
		next := r.take(queue.Packet{})
		if got, want := next != nil, i < 2; got != want {
			t.Fatalf("packet %d has a record: %t, want %t", i, got, want)
		}
		if next != nil {
			r.put(next)
		}
	}
	if err := r.end(time.Millisecond); err == nil {
		t.Error("the end came although nothing was written")
	}
	go func() {
		for range writing {
		}
	}()
	close(blocked)
	<-r.ended
	close(writing)
}

func TestRecorderCountsSkipped(t *testing.T) {
	var skipped []uint64
	r := newRecorder(1, false, func(next *record, _ bool) { skipped = append(skipped, next.skipped) })
	first := r.take(queue.Packet{})
	for range 3 {
		if r.take(queue.Packet{}) != nil {
			t.Fatal("there is a second record, want one")
		}
	}
	r.put(first)
	second := <-r.free // free again after it was written
	r.free <- second
	r.put(r.take(queue.Packet{}))
	if err := r.end(time.Minute); err != nil {
		t.Fatal(err)
	}
	if len(skipped) != 2 || skipped[0] != 0 || skipped[1] != 3 {
		t.Errorf("skipped %v, want [0 3]", skipped)
	}
}
