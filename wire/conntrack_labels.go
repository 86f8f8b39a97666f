package wire

import (
	"encoding/binary"
	"math/bits"
)

// CTLabels are the 128 labels of a connection. Label n is bit n%64 of word n/64.
type CTLabels [2]uint64

// ctLabelsLen is NF_CT_LABELS_MAX_SIZE.
const ctLabelsLen = 16

// ParseCTLabels decodes the content of an attribute CTA_LABELS: an array of
// unsigned long, copied from the kernel's memory. Before Linux 4.8 the array had
// only as many words as the labels in use required. Labels beyond the end of data
// are not set.
func ParseCTLabels(data []byte) CTLabels {
	var m [ctLabelsLen]byte
	copy(m[:], data)
	return CTLabels{
		labelOrder(binary.NativeEndian.Uint64(m[:])),
		labelOrder(binary.NativeEndian.Uint64(m[8:])),
	}
}

// Append appends the labels to b in the form that ParseCTLabels decodes, 16
// bytes.
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

// labelOrder converts eight bytes of labels between the kernel's order and that
// of CTLabels, in either direction. On a 32-bit big-endian machine they are two
// unsigned longs with the lower labels first, while a big-endian uint64 starts
// with its upper half: labelOrder then swaps the halves.
func labelOrder(v uint64) uint64 {
	if Native() == BE32 {
		return bits.RotateLeft64(v, 32)
	}
	return v
}
