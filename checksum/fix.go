package checksum

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// Fix sets the checksums of an IP packet: that of the IPv4 header and that of
// the transport. packet starts at the IP header. Fix neither reads nor changes
// bytes after the end that the IP length gives. It changes only checksum
// fields; Resize sets the lengths.
//
// Fix returns nil if all checksums are now correct. If the error matches
// ErrLeftAlone, Fix has set the checksum of the IPv4 header but not that of the
// transport. If it matches ErrTruncated or ErrMalformed, Fix has changed
// nothing.
//
// The package documentation describes what Fix does for each protocol.
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

// Valid reports whether the checksums that Fix would set are correct. A UDP
// checksum of 0 (none) is correct on IPv4, but not on IPv6. Valid does not
// change packet.
//
// If the error matches ErrLeftAlone, the result is for the checksum of the IPv4
// header only, and true for IPv6, which has none. If it matches ErrTruncated or
// ErrMalformed, the result is false.
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

// fix sets the checksum of the transport.
func (t *transport) fix() {
	switch t.rule {
	case ruleSum, ruleNonzero:
		binary.BigEndian.PutUint16(t.covered[t.field:], t.sum())
	case ruleCRC32c:
		binary.LittleEndian.PutUint32(t.covered[t.field:], t.crc32c())
	}
}

// valid reports whether the checksum of the transport is correct.
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

// crc32c returns the value for a 4-byte checksum field. The field itself counts
// as zero. Unlike all other numbers in a packet, it is sent low byte first.
func (t *transport) crc32c() uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	crc := crc32.Update(0, table, t.covered[:t.field])
	crc = crc32.Update(crc, table, zeros[:])
	return crc32.Update(crc, table, t.covered[t.field+4:])
}

// zeros stands for a checksum field of 4 bytes.
var zeros [4]byte
