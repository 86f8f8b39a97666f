package wire

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
)

// A Layout is the word size and the byte order of a kernel. The structs of
// ip_queue contain C longs, so the format of its messages depends on both. Every
// Layout works on every host. The zero value is LE32. Only the two lowest bits of
// a Layout count.
type Layout uint8

// The layouts: byte order, and size in bits of the kernel's unsigned long.
const (
	LE32 Layout = iota
	LE64
	BE32
	BE64
)

// Native returns the layout of this program. The kernel has the same layout,
// except when a 32-bit program runs on a 64-bit kernel: then use the 64-bit
// layout with the same byte order.
func Native() Layout {
	l := LE32
	if bits.UintSize == 64 {
		l = LE64
	}
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		l |= BE32
	}
	return l
}

// WordSize returns the size in bytes of the kernel's unsigned long: 4 or 8.
func (l Layout) WordSize() int { return 4 << (l & LE64) }

// BigEndian reports whether the kernel stores the most significant byte first.
func (l Layout) BigEndian() bool { return l&BE32 != 0 }

// String returns "le32", "le64", "be32" or "be64".
func (l Layout) String() string {
	if l > BE64 {
		return "Layout(" + strconv.Itoa(int(l)) + ")"
	}
	return [...]string{"le32", "le64", "be32", "be64"}[l]
}

func (l Layout) uint16(b []byte) uint16 {
	v := binary.LittleEndian.Uint16(b)
	if l.BigEndian() {
		v = bits.ReverseBytes16(v)
	}
	return v
}

func (l Layout) uint32(b []byte) uint32 {
	v := binary.LittleEndian.Uint32(b)
	if l.BigEndian() {
		v = bits.ReverseBytes32(v)
	}
	return v
}

// word reads an unsigned long.
func (l Layout) word(b []byte) uint64 {
	if l.WordSize() == 4 {
		return uint64(l.uint32(b))
	}
	v := binary.LittleEndian.Uint64(b)
	if l.BigEndian() {
		v = bits.ReverseBytes64(v)
	}
	return v
}

// long reads a signed long.
func (l Layout) long(b []byte) int64 {
	v := l.word(b)
	if l.WordSize() == 4 {
		return int64(int32(v))
	}
	return int64(v)
}

func (l Layout) putUint32(b []byte, v uint32) {
	if l.BigEndian() {
		v = bits.ReverseBytes32(v)
	}
	binary.LittleEndian.PutUint32(b, v)
}

// putWord writes an unsigned long. On a 32-bit layout, a larger value is written
// as the largest 32-bit value, so that a large limit remains a large limit.
func (l Layout) putWord(b []byte, v uint64) {
	if l.WordSize() == 4 {
		l.putUint32(b, uint32(min(v, math.MaxUint32)))
		return
	}
	if l.BigEndian() {
		v = bits.ReverseBytes64(v)
	}
	binary.LittleEndian.PutUint64(b, v)
}
