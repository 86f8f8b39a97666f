package checksum

import "testing"

// naiveSum is the definition of RFC 1071, and the oracle of these tests.
func naiveSum(b []byte) uint16 {
	sums := naiveSums(b)
	return sums[len(b)]
}

// naiveSums returns the sum of the first n bytes of b for each n from 0 to
// len(b). It adds the bytes one by one, and each carry immediately.
func naiveSums(b []byte) []uint16 {
	sums := make([]uint16, 1, len(b)+1)
	var sum uint32
	for i, c := range b {
		if i%2 == 0 {
			sum += uint32(c) << 8
		} else {
			sum += uint32(c)
		}
		if sum > 0xffff {
			sum -= 0xffff
		}
		sums = append(sums, uint16(sum))
	}
	return sums
}

// noise returns n bytes that look random and are the same at each run.
func noise(n int) []byte {
	b := make([]byte, n)
	x := uint32(2463534242)
	for i := range b {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b[i] = byte(x)
	}
	return b
}

// TestNaiveSum checks the oracle against the example of RFC 1071, section 3.
func TestNaiveSum(t *testing.T) {
	example := []byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}
	if got := naiveSum(example); got != 0xddf2 {
		t.Errorf("naiveSum(%x) = %#04x, want 0xddf2", example, got)
	}
	if got := naiveSum([]byte{0xff, 0xff}); got != 0xffff {
		t.Errorf("naiveSum(ffff) = %#04x, want 0xffff", got)
	}
}
