package main

import (
	"encoding/binary"
	"fmt"
)

// Block types, options and the link type of the pcapng format
// (draft-ietf-opsawg-pcapng), in little-endian order.
const (
	blockSection   = 0x0A0D0D0A
	blockInterface = 1
	blockPacket    = 6

	byteOrderMagic = 0x1A2B3C4D
	majorVersion   = 1
	minorVersion   = 0
	lengthUnknown  = ^uint64(0)

	optionEnd       = 0
	optionComment   = 1
	optionDropCount = 4 // of a packet block
	optionProgram   = 4 // of a section header
	optionTimeUnit  = 9 // of an interface

	linkTypeRaw = 101 // packets begin with an IP header
	nanoseconds = 9   // 10^-9 s
)

var order = binary.LittleEndian

// appendSection appends what a file begins with: a section header and the
// description of the one interface, the queue.
func appendSection(b []byte) []byte {
	start := len(b)
	b = appendHead(b, blockSection)
	b = order.AppendUint32(b, byteOrderMagic)
	b = order.AppendUint16(b, majorVersion)
	b = order.AppendUint16(b, minorVersion)
	b = order.AppendUint64(b, lengthUnknown)
	b = appendOption(b, optionProgram, []byte("ipqueue dump"))
	b = appendTail(b, start)

	start = len(b)
	b = appendHead(b, blockInterface)
	b = order.AppendUint16(b, linkTypeRaw)
	b = order.AppendUint16(b, 0) // reserved
	b = order.AppendUint32(b, 0) // longest packet: no limit
	b = appendOption(b, optionTimeUnit, []byte{nanoseconds})
	return appendTail(b, start)
}

// appendPacket appends an Enhanced Packet Block.
func appendPacket(b []byte, r *record) []byte {
	start, when := len(b), uint64(r.when.UnixNano())
	b = appendHead(b, blockPacket)
	b = order.AppendUint32(b, 0) // the interface
	b = order.AppendUint32(b, uint32(when>>32))
	b = order.AppendUint32(b, uint32(when))
	b = order.AppendUint32(b, uint32(len(r.data)))
	b = order.AppendUint32(b, max(r.length, uint32(len(r.data))))
	b = pad(append(b, r.data...))
	b = appendOption(b, optionComment, fmt.Appendf(nil, "%s after %v", r.fate(), r.waited))
	if r.skipped > 0 {
		b = appendOption(b, optionDropCount, order.AppendUint64(nil, r.skipped))
	}
	return appendTail(b, start)
}

// appendHead begins a block, whose length appendTail fills in.
func appendHead(b []byte, block uint32) []byte {
	return order.AppendUint32(order.AppendUint32(b, block), 0)
}

// appendTail ends the options and the block that begins at start.
func appendTail(b []byte, start int) []byte {
	b = appendOption(b, optionEnd, nil)
	n := uint32(len(b) - start + 4)
	order.PutUint32(b[start+4:], n)
	return order.AppendUint32(b, n)
}

func appendOption(b []byte, code uint16, value []byte) []byte {
	b = order.AppendUint16(b, code)
	b = order.AppendUint16(b, uint16(len(value)))
	return pad(append(b, value...))
}

// pad fills up to a multiple of 4 bytes, which all blocks are.
func pad(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}
