package checksum

import (
	"encoding/binary"
	"math"
)

// Resize sets the lengths of an IP packet whose data has grown or shrunk: the
// IPv4 total length or the IPv6 payload length becomes that of the slice, and
// the length of a UDP datagram that of what follows the headers before it. No
// other transport has a length of its own. Checksums are wrong after that, so
// Fix comes next.
//
// A checksum coverage, as UDP-Lite and DCCP have it, is what the sender wants
// protected and stays. So does the UDP length in a fragment, which is of the
// whole datagram. An IPv6 jumbogram has its length in the jumbo payload option,
// if it has one.
//
// With an ErrTruncated or an ErrMalformed, as for a slice longer than its IP
// length can say, nothing has been changed. Resize does not allocate.
func Resize(packet []byte) error {
	var d datagram
	err := d.dissect(packet)
	if err != nil && err != errFragment {
		return err
	}
	udp := err == nil && d.protocol == protoUDP
	if udp && len(d.payload) < 8 {
		return errTransport
	}
	if err := setLength(packet); err != nil {
		return err
	}
	if udp {
		setUDPLength(d.payload)
	}
	return nil
}

// setLength sets the IP length of packet.
func setLength(packet []byte) error {
	if version(packet) == 6 {
		return setPayloadLength(packet)
	}
	if len(packet) > maxPayload {
		return errTooLong
	}
	binary.BigEndian.PutUint16(packet[2:], uint16(len(packet)))
	return nil
}

// setPayloadLength sets the IPv6 payload length of packet. Of the field and the
// jumbo payload option one has the length, by its size (RFC 2675, section 3).
func setPayloadLength(packet []byte) error {
	jumbo, err := jumboOption(packet)
	if err != nil {
		return err
	}
	n := len(packet) - ipv6HeaderLen
	switch {
	case jumbo == nil && n > maxPayload:
		return errTooLong
	case jumbo != nil && n <= maxPayload || uint64(n) > math.MaxUint32:
		return errJumbo
	case jumbo != nil:
		binary.BigEndian.PutUint32(jumbo, uint32(n))
		n = 0
	}
	binary.BigEndian.PutUint16(packet[4:], uint16(n))
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
