package kerneltest

import (
	"bytes"
	"testing"
)

func TestPolicyAllows(t *testing.T) {
	p := policy{1: 4, 2: -4}
	for _, tt := range []struct {
		kind   uint16
		length int
		want   bool
	}{
		{1, 3, false}, {1, 4, true}, {1, 5, true},
		{2, 0, true}, {2, 1, false}, {2, 3, false}, {2, 4, true},
		{3, 0, true},
	} {
		if got := p.allows(tt.kind, tt.length); got != tt.want {
			t.Errorf("%d bytes of attribute %d: %v, want %v", tt.length, tt.kind, got, tt.want)
		}
	}
}

// TestParseAttributesRoundTrip appends attributes of each length modulo 4.
func TestParseAttributesRoundTrip(t *testing.T) {
	var b []byte
	for n := range uint16(8) {
		b = appendAttribute(b, n+1, bytes.Repeat([]byte{byte(n)}, int(n))...)
	}
	a, errno := parseAttributes(b, attrMax, nil)
	for n := range 8 {
		if errno != 0 || len(a[n+1]) != n || a[n+1] == nil {
			t.Errorf("attribute %d is %x, errno %d; want %d bytes", n+1, a[n+1], errno, n)
		}
	}
	if a, _ := parseAttributes(b, 3, nil); a[4] != nil {
		t.Errorf("attribute beyond the limit is %x, want none", a[4])
	}
}
