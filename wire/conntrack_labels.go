package wire

import (
	"encoding/binary"
	"math/bits"
)

// CTLabels are the 128 labels of a connection, each set or not: label n is bit
// n%64 of word n/64.
type CTLabels [2]uint64

// ctLabelsLen is NF_CT_LABELS_MAX_SIZE.
const ctLabelsLen = 16

// ParseCTLabels decodes the labels of an attribute CTA_LABELS, which are an array
// of unsigned long in the kernel's memory. Before Linux 4.8 it had no more words
// than there were labels in use; labels beyond the end of data are not set.
func ParseCTLabels(data []byte) CTLabels {
	var m [ctLabelsLen]byte
	copy(m[:], data)
	return CTLabels{
		labelOrder(binary.NativeEndian.Uint64(m[:])),
		labelOrder(binary.NativeEndian.Uint64(m[8:])),
	}
}

// Append appends the labels, 16 bytes, as ParseCTLabels decodes them.
func (l CTLabels) Append(b []byte) []byte {
	b = binary.NativeEndian.AppendUint64(b, labelOrder(l[0]))
	return binary.NativeEndian.AppendUint64(b, labelOrder(l[1]))
}

// appendLabels appends an attribute that contains labels.
func appendLabels(b []byte, typ uint16, l CTLabels) []byte {
	b, m := extend(align4(b), attrHeaderLen+ctLabelsLen)
	putAttrHeader(m, typ, ctLabelsLen)
	l.Append(m[attrHeaderLen:attrHeaderLen])
	return b
}

// labelOrder swaps the halves of eight bytes of labels where they are two
// unsigned longs with the lower labels first and the byte order puts the upper
// half first. It is its own reverse.
func labelOrder(v uint64) uint64 {
	if Native() == BE32 {
		return bits.RotateLeft64(v, 32)
	}
	return v
}
