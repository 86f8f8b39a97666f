package ip

// Types of the IPv6 routing header.
const (
	routeSource  = 0 // RFC 2460, deprecated by RFC 5095
	routeMobile  = 2 // RFC 6275
	routeRPL     = 3 // RFC 6554
	routeSegment = 4 // RFC 8754
)

// followRoute finds the end of the route in the routing header at offset at.
// Its fields are
//
//	0 next header
//	1 length
//	2 type
//	3 segments left
//	4 by type
//	8 addresses
//
// While segments are left, the IPv6 header contains the next stop, and the
// routing header the destination for the pseudo-header (RFC 8200, section 8.1).
func (h *Headers) followRoute(header []byte, at int) {
	if header[3] == 0 {
		return
	}
	from, n := 0, 16
	switch header[2] {
	case routeSource, routeMobile:
		from = lastAddress(header)
	case routeRPL:
		from, n = lastCompressed(header)
	case routeSegment:
		from = lastSegment(header)
	default:
		h.UnknownRoute = true
		return
	}
	if from == 0 {
		h.fail(BadRoute)
		return
	}
	h.final, h.finalLen = at+from, n
}

// lastAddress returns the position of the last stop in a plain list of
// addresses, whose first stop is first. Like lastSegment and lastCompressed, it
// returns 0 if the header is malformed.
func lastAddress(header []byte) int {
	list := len(header) - 8
	if list%16 != 0 || int(header[3]) > list/16 {
		return 0
	}
	return len(header) - 16
}

// lastSegment returns the position of the last stop in a segment routing
// header. Its list is in reverse order, may lack the first stop, and is
// followed by options. Byte 4 contains the index of the last entry.
func lastSegment(header []byte) int {
	last := int(header[4])
	if 8+16*(last+1) > len(header) || int(header[3]) > last+1 {
		return 0
	}
	return 8
}

// lastCompressed returns the position and the length of the last stop in an RPL
// source route. Addresses lack the leading bytes that they share with the
// destination. Their number is in the high half of byte 4, and for the last
// address in the low half. The high half of byte 5 is the length of the padding
// at the end.
func lastCompressed(header []byte) (from, n int) {
	size := 16 - int(header[4]>>4)
	n = 16 - int(header[4]&0x0f)
	last := len(header) - int(header[5]>>4) - n
	if last < 8 || (last-8)%size != 0 || int(header[3]) > (last-8)/size+1 {
		return 0, 0
	}
	return last, n
}
