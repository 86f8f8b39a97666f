package checksum

import "encoding/binary"

// PseudoIPv4 returns the partial sum of an IPv4 pseudo-header (RFC 9293,
// section 3.1): the addresses, the protocol number, and the length in bytes of
// the transport header with its data. In a source-routed packet, destination is
// the end of the route. Fold reduces the result.
func PseudoIPv4(source, destination [4]byte, protocol uint8, length uint16) uint64 {
	return uint64(binary.BigEndian.Uint32(source[:])) +
		uint64(binary.BigEndian.Uint32(destination[:])) +
		uint64(protocol) + uint64(length)
}

// PseudoIPv6 returns the partial sum of an IPv6 pseudo-header (RFC 8200,
// section 8.1): the addresses, the protocol number of the transport, and the
// length in bytes of the transport header with its data, without extension
// headers. In a packet with a routing header, destination is the end of the
// route. Fold reduces the result.
func PseudoIPv6(source, destination [16]byte, protocol uint8, length uint32) uint64 {
	return ipv6Address(source[:]) + ipv6Address(destination[:]) + uint64(protocol) + uint64(length)
}
