package wire_test

import (
	"testing"

	"github.com/ipqueue/ipqueue/wire"
)

// ctLabels is the kernel's array of 128 bits in unsigned longs, with these set.
func ctLabels(labels ...int) []byte {
	var s cStruct
	for _, m := range machines {
		if m.layout == wire.Native() {
			s.machine = m
		}
	}
	words := make([]uint64, 16/s.word)
	for _, n := range labels {
		words[n/(8*s.word)] |= 1 << (n % (8 * s.word))
	}
	for _, w := range words {
		s.long(w)
	}
	return s.b
}

// TestCTLabels takes each label there and back, and an array with fewer words,
// as older kernels send it.
func TestCTLabels(t *testing.T) {
	labels := func(data []byte) wire.CTLabels {
		var c wire.Conntrack
		if err := c.Parse(ctUDP().attr(22, data...).b); err != nil {
			t.Fatal(err)
		}
		return c.Labels
	}
	for n := range 128 {
		var want wire.CTLabels
		want[n/64] = 1 << (n % 64)
		if got := labels(ctLabels(n)); got != want {
			t.Errorf("label %d is %#x, want %#x", n, got, want)
		}
		got := wire.AppendCTChange(nil, &wire.CTChange{SetLabels: true, Labels: want})
		sameBytes(t, "encoded", got[4:20], ctLabels(n))
	}
	if got := labels(ctLabels(5)[:8]); got != (wire.CTLabels{1 << 5}) {
		t.Errorf("eight bytes: %#x, want label 5", got)
	}
	if got := labels(nil); got != (wire.CTLabels{}) {
		t.Errorf("no bytes: %#x, want no label", got)
	}
}
