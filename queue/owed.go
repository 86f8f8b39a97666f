package queue

import (
	"encoding/binary"
	"fmt"

	"github.com/ipqueue/ipqueue/checksum"
	"github.com/ipqueue/ipqueue/internal/ip"
)

// A packet that is not ChecksumReady (CHECKSUM_PARTIAL) has an unfinished
// checksum: the kernel owes it the rest. Where the checksum is, the kernel keeps
// in csum_start and csum_offset of the sk_buff. nfnetlink_queue does not report
// them, and replacing the packet ends their use (nfqnl_mangle sets
// CHECKSUM_NONE), so a replacement must come with the finished checksum. Replace
// computes it if it is that of the packet's own transport.
//
// In the packets of a tunnel that ends in this host it is another one: the kernel
// leaves the checksum of the inner packet to the device. The outer checksum is
// left out, or is computed beforehand as if the inner one were finished
// (Documentation/networking/checksum-offloads.rst, Local Checksum Offload).

var errOwed = fmt.Errorf("%w: the packet has an unfinished checksum that Replace cannot complete, inside a tunnel for example; with Config.NoGSO the kernel completes it first", ErrUnsupported)

// isOwed reports whether b, given for the packet, may contain a checksum that the
// packet is owed and that is not the one of b's own transport. In mode MetaOnly it
// cannot: the caller has seen no byte of the packet.
func isOwed(p *Packet, b []byte) bool {
	return !p.ChecksumReady() && len(p.Payload) > 0 && owesElsewhere(p.Payload) && owesElsewhere(b)
}

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

// maxTunnelHeaders is how far into a UDP datagram holdsUnfinished searches. The
// longest headers in front of an inner packet are Geneve's, of up to 260 bytes
// (RFC 8926), and tunnels may be nested.
const maxTunnelHeaders = 512

// holdsUnfinished reports whether data, of a UDP datagram, holds a packet whose
// transport checksum is unfinished. The port does not tell a tunnel or its kind,
// so every even offset is tried: the headers in front of the inner packet have an
// even length, or the kernel could not sum past them. cut reports that the copy
// ends before data does.
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
