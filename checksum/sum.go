package checksum

import "math/bits"

// Sum returns the ones' complement sum of the 16-bit words of b in network byte
// order. If the length of b is odd, its last byte is the high byte of a word
// whose low byte is zero (RFC 1071).
//
// The result is a partial sum below 1<<32. Fold reduces it to 16 bits. To sum
// data in pieces, add the partial sums with +, which overflows only after 1<<32
// of them; use Combine for a piece at an odd offset. The result is 0 only if
// all bytes of b are 0.
func Sum(b []byte) uint64 {
	if bits.UintSize == 32 {
		return sum32(b)
	}
	return sum64(b)
}

// Fold reduces a partial sum to 16 bits by adding the carries (RFC 1071,
// section 4.1). It does not complement the result: the value for a checksum
// field is ^Fold(sum). The sum of data with a correct checksum folds to 0xffff.
func Fold(sum uint64) uint16 {
	w := fold32(sum)
	return uint16((w + bits.RotateLeft32(w, 16)) >> 16)
}

// Combine returns the partial sum of two consecutive pieces of data: a is the
// partial sum of the first piece, n its length in bytes, and b the partial sum
// of the second piece. If n is odd, Combine swaps the bytes of b, because each
// byte of the second piece is in the other half of its word (RFC 1071, section
// 2B).
func Combine(a, b uint64, n int) uint64 {
	if n&1 != 0 {
		b = uint64(bits.ReverseBytes16(Fold(b)))
	}
	return a + b
}

// fold32 returns the ones' complement sum of the halves of acc. Adding a
// rotated copy moves the carry out of the low half into the high half.
func fold32(acc uint64) uint32 {
	return uint32((acc + bits.RotateLeft64(acc, 32)) >> 32)
}
