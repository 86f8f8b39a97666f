package checksum

import "math/bits"

// Sum returns the ones' complement sum of b, taken as 16-bit words in network
// byte order. An odd last byte counts as the high byte of a word whose low
// byte is zero, as RFC 1071 has it.
//
// The result is a partial sum below 1<<32, for Fold to reduce. Partial sums of
// pieces that begin at an even offset of the whole add up with +: it takes
// 1<<32 of them to overflow. For a piece at an odd offset there is Combine.
// The sum is zero only if every byte of b is.
//
// Sum neither keeps nor changes b.
func Sum(b []byte) uint64 {
	if bits.UintSize == 32 {
		return sum32(b)
	}
	return sum64(b)
}

// Fold reduces a partial sum to 16 bits by adding its carries back in (RFC
// 1071, section 4.1). It does not complement: the value for a checksum field
// is ^Fold(sum), and data that includes a right checksum folds to 0xffff.
func Fold(sum uint64) uint16 {
	w := fold32(sum)
	return uint16((w + bits.RotateLeft32(w, 16)) >> 16)
}

// Combine returns the partial sum of two pieces that follow each other, from
// the partial sum a of the first piece, which is n bytes long, and the partial
// sum b of the second. If n is odd every byte of the second piece changes
// places within its word, so its sum is byte-swapped (RFC 1071, section 2B).
func Combine(a, b uint64, n int) uint64 {
	if n&1 != 0 {
		b = uint64(bits.ReverseBytes16(Fold(b)))
	}
	return a + b
}

// fold32 adds the halves of acc with the carry brought round. A rotated copy
// makes the carry of the low half arrive in the high one.
func fold32(acc uint64) uint32 {
	return uint32((acc + bits.RotateLeft64(acc, 32)) >> 32)
}
