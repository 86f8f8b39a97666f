package kerneltest

import "testing"

func TestSlabReusesLastFreed(t *testing.T) {
	s := newSlab(Little64.abi(), IPv4)
	a, b := s.alloc(), s.alloc()
	if a == b || a>>63 != 1 || b>>63 != 1 {
		t.Errorf("addresses %#x and %#x, want different ones with the high bit set", a, b)
	}
	s.release(a)
	s.release(b)
	if got := s.alloc(); got != b {
		t.Errorf("got %#x, want the last freed %#x", got, b)
	}
	if got := s.alloc(); got != a {
		t.Errorf("got %#x, want %#x", got, a)
	}
}

func TestSlabFamiliesDiffer(t *testing.T) {
	for _, l := range []Layout{Little32, Little64} {
		a, b := newSlab(l.abi(), IPv4).alloc(), newSlab(l.abi(), IPv6).alloc()
		if a == b || l == Little32 && (a > 1<<32 || a < 1<<31) {
			t.Errorf("%v: addresses %#x and %#x", l, a, b)
		}
	}
}
