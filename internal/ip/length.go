package ip

import (
	"encoding/binary"
	"math"
)

// Length returns the length of packet according to its IP header, which may be
// more or less than len(packet). If the length field is 0, Length returns the
// length in an IPv6 jumbo payload option or, if there is none, len(packet): the
// kernel writes 0 into a packet that is too long for the field, until it splits
// the packet into segments (linux 6.3: include/linux/ip.h, iph_totlen;
// include/linux/ipv6.h, skb_ipv6_totlen).
//
// A length that does not fit in an int is math.MaxInt. If there is a fault, the
// length is len(packet), or that of the header for TotalTooShort.
func Length(packet []byte) (int, Fault) {
	n, f := 0, NoFault
	switch version(packet) {
	case 4:
		n, f = length4(packet)
	case 6:
		n, f = length6(packet)
	default:
		f = noVersion(packet)
	}
	if n == 0 {
		n = len(packet)
	}
	return n, f
}

// length4 returns 0 for the length of the slice.
func length4(packet []byte) (int, Fault) {
	header, f := headerLength4(packet)
	if f != NoFault {
		return 0, f
	}
	total := int(binary.BigEndian.Uint16(packet[2:]))
	if total != 0 && total < header {
		return header, TotalTooShort
	}
	return total, NoFault
}

// maxPayload is the largest value of the length field in the IPv6 header.
const maxPayload = 0xffff

// length6 returns 0 for the length of the slice. The jumbo payload option (RFC
// 2675) is for lengths that do not fit in the field of the header, which is
// then 0.
func length6(packet []byte) (int, Fault) {
	if len(packet) < headerLen6 {
		return 0, HeaderCut
	}
	if n := int(binary.BigEndian.Uint16(packet[4:])); n != 0 {
		return headerLen6 + n, NoFault
	}
	if packet[6] != hopByHop {
		return 0, NoFault
	}
	h := Headers{Protocol: hopByHop, Transport: headerLen6}
	h.skipExtension(packet)
	if h.Jumbo == 0 {
		return 0, h.Fault
	}
	n := binary.BigEndian.Uint32(packet[h.Jumbo:])
	if n <= maxPayload {
		return 0, BadJumbo
	}
	return int(min(headerLen6+int64(n), math.MaxInt)), h.Fault
}
