package main

import (
	"net/netip"
	"testing"

	"github.com/ipqueue/ipqueue/queue"
)

// TestWorkerForgets checks that memory is bounded, and that a conversation with many
// bytes is remembered, whether it begins before or after many others.
func TestWorkerForgets(t *testing.T) {
	w := newWorker()
	flow := func(i int) queue.Flow {
		return queue.Flow{Source: netip.AddrPortFrom(netip.IPv6Loopback(), uint16(i))}
	}
	const early, late, small = 0, 1, 3 * most
	send := func(i int, length uint32) { w.count(job{queue.Packet{Length: length}, flow(i)}) }
	send(early, 1000)
	for i := range small {
		send(2+i, 10)
		if len(w.conversations) > most {
			t.Fatalf("%d conversations, want %d or fewer", len(w.conversations), most)
		}
	}
	send(late, 2000)
	send(early, 500)
	send(late, 2000)
	if got, want := w.conversations[flow(early)], (traffic{2, 1500}); got != want {
		t.Errorf("the early conversation has %+v, want %+v", got, want)
	}
	if got, want := w.conversations[flow(late)], (traffic{2, 4000}); got != want {
		t.Errorf("the late conversation has %+v, want %+v", got, want)
	}
	if want := (traffic{small + 4, 10*small + 5500}); w.all != want {
		t.Errorf("all have %+v, want %+v", w.all, want)
	}
	if got := len(w.conversations) + w.forgotten; got != small+2 {
		t.Errorf("%d conversations remembered and forgotten, want %d", got, small+2)
	}
}
