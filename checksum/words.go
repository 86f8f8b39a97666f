package checksum

import (
	"encoding/binary"
	"math/bits"
)

// The functions in this file load little-endian machine words and add each
// carry back in (end-around carry). RFC 1071, section 2, allows both: the sum
// does not depend on the byte order, apart from a final byte swap (B), nor on
// the word size, apart from a final fold (C). Little-endian loads cost nothing
// on most machines, and put an odd last byte in the right place.
//
// The last word is loaded from the last bytes of the data. The bytes that it
// shares with the word before it are shifted out.

// sum64 is Sum for machines with 64-bit words. It has no loop for up to 64
// bytes, because a loop costs more than the additions. It is nosplit because
// checking the stack size costs as much as summing 16 bytes.
//
//go:nosplit
func sum64(b []byte) uint64 {
	n := len(b)
	if n > 64 {
		if n > minVector && n <= maxVector && hasVector() {
			return sumVector(b)
		}
		return sumLong(b)
	}
	if n <= 8 {
		return swap(short(b))
	}
	tail := binary.LittleEndian.Uint64(b[n-8:]) >> (8 * (-uint(n) & 7))
	if n <= 32 {
		if n <= 16 {
			return swap(add(binary.LittleEndian.Uint64(b), tail))
		}
		acc, carry := bits.Add64(binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]), 0)
		if n > 24 {
			acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(b[16:]), carry)
		}
		acc, carry = bits.Add64(acc, tail, carry)
		return swap(acc + carry)
	}
	acc, carry := bits.Add64(binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]), 0)
	acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(b[16:]), carry)
	acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(b[24:]), carry)
	acc, carry = bits.Add64(acc, tail, carry)
	acc += carry
	if n <= 40 {
		return swap(acc)
	}
	if n <= 48 {
		return swap(add(acc, binary.LittleEndian.Uint64(b[32:])))
	}
	two, carry := bits.Add64(binary.LittleEndian.Uint64(b[32:]), binary.LittleEndian.Uint64(b[40:]), 0)
	two += carry
	if n > 56 {
		two = add8(two, b[48:])
	}
	return swap(add(acc, two))
}

// sumLong is sum64 for more than 64 bytes that sumVector cannot sum in one
// call.
func sumLong(b []byte) uint64 {
	if len(b) > maxVector && hasVector() {
		return sumPieces(b)
	}
	b = b[:len(b):len(b)] // then the compiler need not update cap
	tail := binary.LittleEndian.Uint64(b[len(b)-8:]) >> (8 * (-uint(len(b)) & 7))
	var even, odd uint64 // two independent carry chains, which the CPU overlaps
	for len(b) > 64 {
		even, odd = add32(even, b), add32(odd, b[32:])
		b = b[64:]
	}
	if len(b) > 32 {
		even = add32(even, b)
		b = b[32:]
	}
	if len(b) > 16 {
		odd = add16(odd, b)
		b = b[16:]
	}
	if len(b) > 8 {
		even = add8(even, b)
	}
	return swap(add(add(even, odd), tail))
}

// sumPieces is Sum for slices longer than maxVector.
func sumPieces(b []byte) uint64 {
	var sum uint64
	for len(b) > maxVector {
		sum += sumVector(b[:maxVector])
		b = b[maxVector:]
	}
	return uint64(fold32(sum + Sum(b)))
}

// add32 adds 32 bytes of b to acc.
func add32(acc uint64, b []byte) uint64 {
	acc, carry := bits.Add64(acc, binary.LittleEndian.Uint64(b), 0)
	acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(b[8:]), carry)
	acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(b[16:]), carry)
	acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(b[24:]), carry)
	return acc + carry
}

// add16 adds 16 bytes of b to acc.
func add16(acc uint64, b []byte) uint64 {
	acc, carry := bits.Add64(acc, binary.LittleEndian.Uint64(b), 0)
	acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(b[8:]), carry)
	return acc + carry
}

// add8 adds 8 bytes of b to acc.
func add8(acc uint64, b []byte) uint64 {
	return add(acc, binary.LittleEndian.Uint64(b))
}

// add returns the ones' complement sum of acc and word.
func add(acc, word uint64) uint64 {
	acc, carry := bits.Add64(acc, word, 0)
	return acc + carry
}

// sum32 is Sum for machines with 32-bit words. The upper half of a 64-bit
// accumulator is the cheapest place for the carries there.
func sum32(b []byte) uint64 {
	if len(b) <= 8 {
		return swap(short(b))
	}
	b = b[:len(b):len(b)]
	tail := binary.LittleEndian.Uint32(b[len(b)-4:]) >> (8 * (-uint(len(b)) & 3))
	var acc uint64
	for len(b) > 32 {
		acc += uint64(binary.LittleEndian.Uint32(b))
		acc += uint64(binary.LittleEndian.Uint32(b[4:]))
		acc += uint64(binary.LittleEndian.Uint32(b[8:]))
		acc += uint64(binary.LittleEndian.Uint32(b[12:]))
		acc += uint64(binary.LittleEndian.Uint32(b[16:]))
		acc += uint64(binary.LittleEndian.Uint32(b[20:]))
		acc += uint64(binary.LittleEndian.Uint32(b[24:]))
		acc += uint64(binary.LittleEndian.Uint32(b[28:]))
		b = b[32:]
	}
	for len(b) > 4 {
		acc += uint64(binary.LittleEndian.Uint32(b))
		b = b[4:]
	}
	return swap(acc + uint64(tail))
}

// short returns up to 8 bytes as one little-endian word.
func short(b []byte) uint64 {
	switch n := uint(len(b)); {
	case n >= 4:
		head := binary.LittleEndian.Uint32(b)
		tail := binary.LittleEndian.Uint32(b[n-4:]) >> (8 * (8 - n))
		return uint64(head) | uint64(tail)<<32
	case n == 3:
		return uint64(binary.LittleEndian.Uint16(b)) | uint64(b[2])<<16
	case n == 2:
		return uint64(binary.LittleEndian.Uint16(b))
	case n == 1:
		return uint64(b[0])
	}
	return 0
}

// swap converts a sum of little-endian words to a partial sum in network byte
// order.
func swap(acc uint64) uint64 {
	return uint64(bits.ReverseBytes32(fold32(acc)))
}
