package queue

import (
	"encoding/binary"
	"fmt"

	"github.com/ipqueue/ipqueue/checksum"
	"github.com/ipqueue/ipqueue/internal/ip"
)

// The kernel owes a checksum to a packet that is not ChecksumReady
// (CHECKSUM_PARTIAL). It knows where: at csum_start and csum_offset of the
// sk_buff, of which nfnetlink_queue does not report, and which it forgets when
// the packet is replaced (nfqnl_mangle sets CHECKSUM_NONE). So a replacement
// must have the finished checksum, which Replace computes if it is that of the
// packet's own transport.
//
// In a tunnel of this host it is not: the kernel leaves the checksum of the inner
// packet to the device and finishes the outer one beforehand, as if the inner
// one was there (Documentation/networking/checksum-offloads.rst, Local Checksum
// Offload), or leaves the outer one out.

var errOwed = fmt.Errorf("%w: the kernel owes the packet a checksum that a replacement cannot have; Config.NoGSO has it computed first", ErrUnsupported)

// owesElsewhere reports whether a checksum that the kernel owes to b may be
// another one than that of the transport of b.
func owesElsewhere(b []byte) bool {
	var h ip.Headers
	h.Parse(b)
	if h.Transport == 0 || h.Fragment {
		return true
	}
	segment := b[h.Transport:]
	switch h.Protocol {
	case protoTCP, protoSCTP, protoICMP, protoICMPv6, protoIGMP, protoUDPLite, protoDCCP:
		return h.UnknownRoute
	case protoUDP:
		n, _ := ip.Length(b)
		return h.UnknownRoute || len(segment) < 8 || binary.BigEndian.Uint16(segment[6:]) == 0 || holdsUnfinished(segment[8:], n > len(b))
	}
	return true
}

// maxTunnelHeaders is how far into a UDP datagram the innermost packet is looked
// for. The longest headers in front of it are Geneve's, of up to 260 bytes (RFC
// 8926), and tunnels may be nested.
const maxTunnelHeaders = 512

// holdsUnfinished reports whether data, of a UDP datagram, holds a packet whose
// transport checksum the kernel has not finished. Which kind of tunnel it is
// does not matter, as its port does not say: every header in front of the inner
// packet is of an even length, or the kernel could not sum past it. cut reports
// that data goes on behind the copy.
func holdsUnfinished(data []byte, cut bool) bool {
	const least = 20 + 8
	for at := 0; at+least <= len(data) && at < maxTunnelHeaders; at += 2 {
		if v := data[at] >> 4; (v == 4 || v == 6) && unfinished(data[at:], cut) {
			return true
		}
	}
	return false
}

// unfinished reports whether b is a packet of TCP or UDP with the sum of its
// pseudo-header for a checksum, to which the device adds the rest, or of SCTP
// with none.
func unfinished(b []byte, cut bool) bool {
	var h ip.Headers
	h.Parse(b)
	n, fault := ip.Length(b)
	if h.Transport == 0 || h.Fragment || h.Fault != ip.NoFault || fault != ip.NoFault || n > len(b) && !cut {
		return false
	}
	segment, length := b[h.Transport:], n-h.Transport
	switch {
	case h.Protocol == protoTCP && len(segment) >= 18:
		return binary.BigEndian.Uint16(segment[16:]) == pseudo(&h, b, length)
	case h.Protocol == protoUDP && len(segment) >= 8:
		return binary.BigEndian.Uint16(segment[6:]) == pseudo(&h, b, int(binary.BigEndian.Uint16(segment[4:])))
	case h.Protocol == protoSCTP && len(segment) >= 12:
		return binary.BigEndian.Uint32(segment[8:]) == 0
	}
	return false
}

// pseudo returns the sum of the pseudo-header of b for a transport of the given
// length.
func pseudo(h *ip.Headers, b []byte, length int) uint16 {
	if h.Version == 4 {
		return checksum.Fold(checksum.PseudoIPv4([4]byte(h.Source(b)), [4]byte(h.Destination4(b)), h.Protocol, uint16(length)))
	}
	return checksum.Fold(checksum.PseudoIPv6([16]byte(h.Source(b)), h.Destination6(b), h.Protocol, uint32(length)))
}
