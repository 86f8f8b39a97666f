package kerneltest

import (
	"encoding/binary"
	"math/bits"
)

// A Layout is the layout of ip_queue's structures by the kernel's C compiler.
type Layout uint8

// Layouts of ip_queue messages.
const (
	NativeLayout Layout = iota // of the system that runs the program
	Little32
	Little64
	Big32
	Big64
)

// wide reports whether an unsigned long has 8 bytes.
func (l Layout) wide() bool {
	switch l {
	case Little64, Big64:
		return true
	case Little32, Big32:
		return false
	default:
		return bits.UintSize == 64
	}
}

func (l Layout) order() byteOrder {
	switch l {
	case Little32, Little64:
		return binary.LittleEndian
	case Big32, Big64:
		return binary.BigEndian
	default:
		return binary.NativeEndian
	}
}

// An abi contains the properties of a Layout
// (include/linux/netfilter_ipv4/ip_queue.h, Linux 3.4).
type abi struct {
	order byteOrder
	long  int // size of unsigned long and size_t
	peer  int // size of struct ipq_peer_msg, a union of mode and verdict
}

func (l Layout) abi() abi {
	if l.wide() {
		return abi{l.order(), 8, 24}
	}
	return abi{l.order(), 4, 12}
}

func (a abi) readLong(b []byte) uint64 {
	if a.long == 8 {
		return a.order.Uint64(b)
	}
	return uint64(a.order.Uint32(b))
}

func (a abi) appendLong(b []byte, v uint64) []byte {
	if a.long == 8 {
		return a.order.AppendUint64(b, v)
	}
	return a.order.AppendUint32(b, uint32(v))
}

// fill pads b with zeros so that the next member starts at a multiple of the
// long's size.
func (a abi) fill(b []byte, from int) []byte {
	for (len(b)-from)%a.long != 0 {
		b = append(b, 0)
	}
	return b
}
