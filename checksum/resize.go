package checksum

import (
	"encoding/binary"
	"math"
)

// maxPayload is the largest value of a 16-bit length field.
const maxPayload = 0xffff

// Resize sets the lengths of an IP packet whose data has grown or shrunk: the
// IPv4 total length or the IPv6 payload length, and the UDP length. Afterwards
// the packet ends at the end of the slice. Other transports have no length
// field. Resize does not repair checksums: call Fix afterwards.
//
// Resize does not change the checksum coverage of UDP-Lite and DCCP, nor the
// UDP length in a fragment, which counts the bytes of the whole datagram. In an
// IPv6 packet with a jumbo payload option, it sets the length in the option. If
// the packet is too long for the length field, the field must already be 0, as
// in a packet that the kernel splits later (GSO).
//
// If the error matches ErrTruncated or ErrMalformed, Resize has changed
// nothing. A slice that is too long for an IP packet is malformed.
func Resize(packet []byte) error {
	var d datagram
	err := d.dissect(packet)
	if err != nil && err != errFragment {
		return err
	}
	udp := err == nil && d.Protocol == protoUDP
	if udp && len(d.payload()) < 8 {
		return errTransport
	}
	if err := d.setLength(); err != nil {
		return err
	}
	if udp {
		setUDPLength(d.payload())
	}
	return nil
}

// setLength sets the IP length.
func (d *datagram) setLength() error {
	n, field := len(d.packet), d.packet[2:4]
	if !d.ipv4() {
		n, field = n-d.Length, d.packet[4:6]
	}
	if d.Jumbo != 0 {
		return d.setJumbo(n, field)
	}
	if n > maxPayload && binary.BigEndian.Uint16(field) == 0 {
		return nil
	}
	if n > maxPayload {
		return errTooLong
	}
	binary.BigEndian.PutUint16(field, uint16(n))
	return nil
}

// setJumbo sets the length of an IPv6 payload in the jumbo payload option. The
// option is only valid for lengths above 65535 (RFC 2675, section 3).
func (d *datagram) setJumbo(n int, field []byte) error {
	if n <= maxPayload || uint64(n) > math.MaxUint32 {
		return errJumbo
	}
	binary.BigEndian.PutUint16(field, 0)
	binary.BigEndian.PutUint32(d.packet[d.Jumbo:], uint32(n))
	return nil
}

// setUDPLength sets the length of a UDP datagram, which is 0 if it is too long
// for the field (RFC 2675, section 4).
func setUDPLength(datagram []byte) {
	n := len(datagram)
	if n > maxPayload {
		n = 0
	}
	binary.BigEndian.PutUint16(datagram[4:], uint16(n))
}
