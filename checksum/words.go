package checksum

import (
	"encoding/binary"
	"math/bits"
)

// The loops here load little-endian words of the machine's width and add them
// with the carry brought round. Both are allowed by RFC 1071, section 2: the
// sum is the same in either byte order once its bytes are swapped back (B), and
// in words of any multiple of 16 bits once they are folded (C). Little-endian
// loads cost nothing on most machines and have an odd last byte, zero-extended,
// already in its place.
//
// All words but the last one are loaded in order; the last one is loaded from
// the end of the data, and what has been counted already is shifted out.

// sum64 is Sum for machines with 64-bit words. Up to 64 bytes every step of a
// loop would cost more than it adds, so there is none; and the check for room on
// the stack costs as much as 16 bytes.
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

// sumLong is sum64 for more than 64 bytes, if there is no vector routine for them
// or they are more than it takes at once.
func sumLong(b []byte) uint64 {
	if len(b) > maxVector && hasVector() {
		return sumPieces(b)
	}
	b = b[:len(b):len(b)] // saves the compiler from keeping track of cap
	tail := binary.LittleEndian.Uint64(b[len(b)-8:]) >> (8 * (-uint(len(b)) & 7))
	var even, odd uint64 // two chains of carries, so that they overlap
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

// sumPieces is Sum for more than sumVector takes at once.
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

// add adds word to acc and brings the carry round.
func add(acc, word uint64) uint64 {
	acc, carry := bits.Add64(acc, word, 0)
	return acc + carry
}

// sum32 is Sum for machines with 32-bit words, where a carry is cheapest to
// keep in the upper half of a 64-bit accumulator.
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

// swap turns a sum of little-endian words into the partial sum in network
// order.
func swap(acc uint64) uint64 {
	return uint64(bits.ReverseBytes32(fold32(acc)))
}
