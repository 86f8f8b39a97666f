package checksum

// Update returns the new value of the checksum check after a field that it
// covers has changed from old to new (RFC 1624, equation 3). It does not need
// the rest of the data. old and new must have the same even length, for example
// 2 bytes for a port, 4 or 16 for an address. The field must start at an even
// offset of the data that the checksum covers, as all fields of IP, TCP and UDP
// headers and pseudo-headers do. For a UDP checksum, use UpdateUDP.
//
// The result is the checksum that Fix would compute, with one exception: if all
// bytes that the checksum covers are now 0, the correct checksum is 0xffff, and
// Update may return 0. Only an ICMP echo reply with all fields 0 is such data;
// use Fix if that can occur.
func Update(check uint16, old, new []byte) uint16 {
	from, to := Sum(old), Sum(new)
	if from == to {
		return check
	}
	return ^Fold(uint64(^check) + uint64(^Fold(from)) + to)
}

// UpdateUDP is Update for the checksum of a UDP datagram. If check is 0 (none),
// it returns 0. If the new checksum is 0, it returns 0xffff (RFC 768).
func UpdateUDP(check uint16, old, new []byte) uint16 {
	if check == 0 {
		return 0
	}
	if check = Update(check, old, new); check == 0 {
		return 0xffff
	}
	return check
}
