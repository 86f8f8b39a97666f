package checksum

// Update returns what the checksum check becomes when a field that it covers
// changes from old to new (RFC 1624, equation 3). The data is not needed for
// that. A port has 2 bytes, an address 4 or 16; any even number will do, the
// same for both. The field must begin at an even offset of what the checksum
// covers, which all fields of IP, TCP and UDP headers and pseudo-headers do.
//
// Where a recomputation would give 0x0000 so does Update, and not 0xffff, the
// other form of zero. The exception is data that has become zero in every
// byte, whose checksum is 0xffff: nothing in the change tells of it. It needs a
// message without a pseudo-header, an ICMP echo reply with all fields zero; use
// Fix where that may happen.
//
// For UDP there is UpdateUDP.
func Update(check uint16, old, new []byte) uint16 {
	from, to := Sum(old), Sum(new)
	if from == to {
		return check
	}
	return ^Fold(uint64(^check) + uint64(^Fold(from)) + to)
}

// UpdateUDP is Update for the checksum of a UDP datagram: a zero, which says
// that there is none, stays, and a zero that comes out is sent as 0xffff (RFC
// 768).
func UpdateUDP(check uint16, old, new []byte) uint16 {
	if check == 0 {
		return 0
	}
	if check = Update(check, old, new); check == 0 {
		return 0xffff
	}
	return check
}
