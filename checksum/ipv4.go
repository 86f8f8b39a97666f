package checksum

import "encoding/binary"

// ipv4HeaderLen is the length of an IPv4 header without options (RFC 791,
// section 3.1). Its checksum is at 10.
const ipv4HeaderLen = 20

// IPv4Header returns the value for the checksum field of an IPv4 header. It
// ignores the present value of the field and does not change it.
//
// header is the whole header with its options, 20 to 60 bytes. IPv4Header
// panics if it is shorter, and ignores the header length field.
func IPv4Header(header []byte) uint16 {
	b := header[:ipv4HeaderLen:ipv4HeaderLen]
	sum := uint64(binary.LittleEndian.Uint32(b)) +
		uint64(binary.LittleEndian.Uint32(b[4:])) +
		uint64(binary.LittleEndian.Uint16(b[8:])) +
		uint64(binary.LittleEndian.Uint32(b[12:])) +
		uint64(binary.LittleEndian.Uint32(b[16:]))
	sum = swap(sum)
	if len(header) > ipv4HeaderLen {
		sum += Sum(header[ipv4HeaderLen:])
	}
	return ^Fold(sum)
}
