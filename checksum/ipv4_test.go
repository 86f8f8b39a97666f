package checksum

import (
	"encoding/binary"
	"testing"
)

func TestIPv4Header(t *testing.T) {
	data := noise(1000)
	for n := ipv4HeaderLen; n <= 60; n++ {
		for start := range 64 {
			header := data[start : start+n : start+n]
			zeroed := append([]byte(nil), header...)
			clear(zeroed[10:12])
			if got, want := IPv4Header(header), ^naiveSum(zeroed); got != want {
				t.Fatalf("header of %d bytes at %d: IPv4Header = %#04x, want %#04x", n, start, got, want)
			}
		}
	}
}

// TestIPv4HeaderZeros tests both forms of zero: a header whose fields add up to
// 0xffff, and one in which everything but the checksum is 0.
func TestIPv4HeaderZeros(t *testing.T) {
	header := make([]byte, ipv4HeaderLen)
	binary.BigEndian.PutUint16(header[10:], 0x1234)
	if got := IPv4Header(header); got != 0xffff {
		t.Errorf("of zeros: IPv4Header = %#04x, want 0xffff", got)
	}
	binary.BigEndian.PutUint16(header[18:], 0xffff)
	if got := IPv4Header(header); got != 0 {
		t.Errorf("of a sum of ones: IPv4Header = %#04x, want 0", got)
	}
}

func TestIPv4HeaderShort(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("IPv4Header of 19 bytes did not panic")
		}
	}()
	IPv4Header(make([]byte, ipv4HeaderLen-1))
}
