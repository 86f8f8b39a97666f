package main

import (
	"net/netip"
	"testing"

	"github.com/ipqueue/ipqueue/queue"
)

// TestWorkerForgetsNewcomers checks that memory is bounded: conversations above
// the limit are counted together.
func TestWorkerForgetsNewcomers(t *testing.T) {
	w := newWorker()
	flow := func(i int) queue.Flow {
		return queue.Flow{Source: netip.AddrPortFrom(netip.IPv6Loopback(), uint16(i))}
	}
	for i := range most + 5 {
		w.count(job{queue.Packet{Length: 10}, flow(i)})
	}
	w.count(job{queue.Packet{Length: 10}, flow(0)})
	if got := len(w.conversations); got != most {
		t.Errorf("%d conversations, want %d", got, most)
	}
	if got, want := w.conversations[flow(0)], (traffic{2, 20}); got != want {
		t.Errorf("the first one has %+v, want %+v", got, want)
	}
	if want := (traffic{most + 6, 10 * (most + 6)}); w.all != want {
		t.Errorf("all have %+v, want %+v", w.all, want)
	}
}
