package checksum

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// Fix makes the checksums of an IP packet right: that of its IPv4 header and
// that of its transport. The packet starts at its IP header; bytes past its IP
// length are neither read nor changed. Everything else is taken as it is:
// lengths in particular, which are Resize's.
//
// Fix returns nil if every checksum of the packet is right now. With an
// ErrLeftAlone the IPv4 header has been repaired and the transport, on purpose,
// not; with an ErrTruncated or an ErrMalformed nothing has been changed.
//
// Fix changes nothing but checksum fields, does not keep packet, and does not
// allocate. The package documentation has the rules of each protocol.
func Fix(packet []byte) error {
	var d datagram
	err := d.parse(packet)
	if err != nil && !errors.Is(err, ErrLeftAlone) {
		return err
	}
	if d.ipv4() {
		binary.BigEndian.PutUint16(d.packet[10:], IPv4Header(d.header()))
	}
	if err == nil {
		d.transport.fix()
	}
	return err
}

// Valid reports whether the checksums that Fix would set are right as they
// are. A UDP checksum that is absent, which only IPv4 allows, is right.
//
// With an ErrLeftAlone the answer is for the IPv4 header alone, and true for
// IPv6, which has no checksum there. With an ErrTruncated or an ErrMalformed it
// is false. Valid does not change packet, nor allocate.
func Valid(packet []byte) (bool, error) {
	var d datagram
	err := d.parse(packet)
	if err != nil && !errors.Is(err, ErrLeftAlone) {
		return false, err
	}
	valid := !d.ipv4() || Fold(Sum(d.header())) == 0xffff
	if err == nil {
		valid = valid && d.transport.valid()
	}
	return valid, err
}

// fix sets the checksum.
func (t *transport) fix() {
	switch t.rule {
	case ruleSum, ruleNonzero:
		binary.BigEndian.PutUint16(t.covered[t.field:], t.sum())
	case ruleCRC32c:
		binary.LittleEndian.PutUint32(t.covered[t.field:], t.crc32c())
	}
}

// valid reports whether the checksum is right.
func (t *transport) valid() bool {
	switch t.rule {
	case ruleSum:
		return Fold(t.pseudo+Sum(t.covered)) == 0xffff
	case ruleNonzero:
		present := binary.BigEndian.Uint16(t.covered[t.field:]) != 0
		return present && Fold(t.pseudo+Sum(t.covered)) == 0xffff
	case ruleCRC32c:
		return binary.LittleEndian.Uint32(t.covered[t.field:]) == t.crc32c()
	}
	return true
}

// sum returns the value for a 2-byte checksum field.
func (t *transport) sum() uint16 {
	check := ^Fold(t.pseudo + Sum(t.covered[:t.field]) + Sum(t.covered[t.field+2:]))
	if check == 0 && t.rule == ruleNonzero {
		return 0xffff
	}
	return check
}

// crc32c returns the value for a 4-byte checksum field, which counts as zero in
// its own sum and is the only number of a packet that is sent low byte first.
func (t *transport) crc32c() uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	crc := crc32.Update(0, table, t.covered[:t.field])
	crc = crc32.Update(crc, table, zeros[:])
	return crc32.Update(crc, table, t.covered[t.field+4:])
}

// zeros stands for a checksum field of 4 bytes.
var zeros [4]byte
