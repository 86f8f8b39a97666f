package checksum

// Types of the IPv6 routing header.
const (
	routeSource  = 0 // RFC 2460, deprecated by RFC 5095
	routeMobile  = 2 // RFC 6275
	routeRPL     = 3 // RFC 6554
	routeSegment = 4 // RFC 8754
)

// followRoute replaces destination by the end of the route in a routing header,
// which is
//
//	0 next header
//	1 length
//	2 type
//	3 segments left
//	4 by type
//	8 addresses
//
// While segments are left, the IPv6 header has the next stop and this one the
// destination of the pseudo-header (RFC 8200, section 8.1).
func (d *datagram) followRoute(header []byte, destination *[16]byte) error {
	left := int(header[3])
	if left == 0 {
		return nil
	}
	switch header[2] {
	case routeSource, routeMobile:
		return routeAddresses(header[8:], left, destination)
	case routeRPL:
		return routeCompressed(header, left, destination)
	case routeSegment:
		return routeSegments(header, left, destination)
	}
	d.unknownRoute = true
	return nil
}

// routeAddresses is for a plain list of addresses, first stop first.
func routeAddresses(list []byte, left int, destination *[16]byte) error {
	if len(list)%16 != 0 || left > len(list)/16 {
		return errRoute
	}
	copy(destination[:], list[len(list)-16:])
	return nil
}

// routeSegments is for a segment routing header, whose list is in reverse order
// and may lack the first stop, being followed by options. Byte 4 has the index
// of the last entry.
func routeSegments(header []byte, left int, destination *[16]byte) error {
	last := int(header[4])
	if 8+16*(last+1) > len(header) || left > last+1 {
		return errRoute
	}
	copy(destination[:], header[8:])
	return nil
}

// routeCompressed is for an RPL source route. An address in it lacks the leading
// bytes that it shares with the destination, as many as the high half of
// byte 4 says, the last one as many as the low half. The high half of byte 5 is
// the length of the padding at the end.
func routeCompressed(header []byte, left int, destination *[16]byte) error {
	size, prefix := 16-int(header[4]>>4), int(header[4]&0x0f)
	end := len(header) - int(header[5]>>4)
	last := end - (16 - prefix)
	if last < 8 || (last-8)%size != 0 || left > (last-8)/size+1 {
		return errRoute
	}
	copy(destination[prefix:], header[last:end])
	return nil
}
