package checksum

import (
	"bytes"
	"math/bits"
	"testing"
)

// otherWidth is sum32 or sum64, whichever Sum does not use on this machine.
func otherWidth(b []byte) uint64 {
	if bits.UintSize == 32 {
		return sum64(b)
	}
	return sum32(b)
}

// checkSum checks that every routine returns want, the sum of b.
func checkSum(t *testing.T, b []byte, want uint16) {
	t.Helper()
	for name, sum := range map[string]func([]byte) uint64{"Sum": Sum, "otherWidth": otherWidth} {
		got := sum(b)
		if Fold(got) != want {
			t.Fatalf("%s of %d bytes = %#x, which folds to %#04x, want %#04x", name, len(b), got, Fold(got), want)
		}
		if got >= 1<<32 {
			t.Fatalf("%s of %d bytes = %#x, want it below 1<<32", name, len(b), got)
		}
	}
}

// longest is the greatest length up to which the tests try every length. It
// includes jumbo frames.
const longest = 9001

func TestSumLengths(t *testing.T) {
	data := noise(longest)
	for n, want := range naiveSums(data) {
		checkSum(t, data[:n], want)
	}
}

// TestSumPatterns tests data that stresses carries, signs and both forms of
// zero.
func TestSumPatterns(t *testing.T) {
	tests := map[string][]byte{
		"zeros":   {0x00},
		"ones":    {0xff},
		"signs":   {0x80, 0x00, 0x7f, 0xff, 0x80},
		"carries": {0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x01},
	}
	for name, pattern := range tests {
		t.Run(name, func(t *testing.T) {
			data := bytes.Repeat(pattern, 2000/len(pattern))
			for n, want := range naiveSums(data) {
				checkSum(t, data[:n], want)
			}
		})
	}
}

func TestSumAlignments(t *testing.T) {
	data := noise(longest + 64)
	for start := range 64 {
		b := data[start:]
		sums := naiveSums(b)
		for n := range 300 {
			checkSum(t, b[:n], sums[n])
		}
		for _, n := range []int{576, 1280, 1499, 1500, 1501, 4096, 9000, longest} {
			checkSum(t, b[:n], sums[n])
		}
	}
}

// TestSumLong tests slices longer than the vector routines can sum in one call,
// and longer than any IP packet.
func TestSumLong(t *testing.T) {
	tests := map[string][]byte{
		"noise": noise(1<<20 + 64),
		"ones":  bytes.Repeat([]byte{0xff}, 1<<20+64),
		"low":   bytes.Repeat([]byte{0x00, 0x01}, 1<<19+32),
		"signs": bytes.Repeat([]byte{0x80, 0x00}, 1<<19+32),
	}
	for name, data := range tests {
		t.Run(name, func(t *testing.T) {
			sums := naiveSums(data)
			for _, n := range []int{65535, 65575, 1<<17 - 33, 1<<17 - 32, 1<<17 - 31, 1 << 17, 1<<18 - 1, 1 << 20, 1<<20 + 1, 1<<20 + 63} {
				checkSum(t, data[:n], sums[n])
			}
		})
	}
}

func TestCombineEverySplit(t *testing.T) {
	data := noise(longest)
	lengths := []int{1500, longest}
	for n := range 270 {
		lengths = append(lengths, n)
	}
	for _, n := range lengths {
		want := naiveSum(data[:n])
		for split := range n + 1 {
			sum := Combine(Sum(data[:split]), Sum(data[split:n]), split)
			if got := Fold(sum); got != want {
				t.Fatalf("%d bytes in pieces of %d and %d: Combine folds to %#04x, want %#04x", n, split, n-split, got, want)
			}
		}
	}
}

// TestCombinePieces combines more than two pieces, each at the offset where it
// begins.
func TestCombinePieces(t *testing.T) {
	data := noise(1501)
	for size := 1; size < 70; size++ {
		var sum uint64
		for offset := 0; offset < len(data); offset += size {
			piece := data[offset:min(offset+size, len(data))]
			sum = Combine(sum, Sum(piece), offset)
		}
		if got, want := Fold(sum), naiveSum(data); got != want {
			t.Errorf("pieces of %d bytes: Combine folds to %#04x, want %#04x", size, got, want)
		}
	}
}

func TestFold(t *testing.T) {
	tests := []struct {
		sum  uint64
		want uint16
	}{
		{0, 0},
		{1, 1},
		{0xffff, 0xffff},
		{0x10000, 1},
		{0x1fffe, 0xffff},
		{0x1ffff, 1},
		{0xffff_0000, 0xffff},
		{0xffff_ffff, 0xffff},
		{0x1_0000_0000, 1},
		{0xffff_ffff_0000_0000, 0xffff},
		{0x8000_8000_8000_8000, 2},
		{0xffff_ffff_ffff_ffff, 0xffff},
		{0xffff_ffff_ffff_fffe, 0xfffe},
	}
	for _, tt := range tests {
		if got := Fold(tt.sum); got != tt.want {
			t.Errorf("Fold(%#x) = %#04x, want %#04x", tt.sum, got, tt.want)
		}
	}
}
