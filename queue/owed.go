package queue

import (
	"encoding/binary"
	"fmt"

	"github.com/ipqueue/ipqueue/checksum"
	"github.com/ipqueue/ipqueue/internal/ip"
)

// A packet that is not ChecksumReady (CHECKSUM_PARTIAL) contains an unfinished
// checksum, which the kernel or the device would complete later: the checksum
// is owed. The kernel keeps its place in csum_start and csum_offset of the
// sk_buff, which nfnetlink_queue does not report. Replacing the packet cancels
// the completion (nfqnl_mangle sets CHECKSUM_NONE), so the replacement must
// contain the finished checksum. Replace computes it if it is that of the
// packet's own transport.
//
// In packets of a tunnel that ends in this host, the owed checksum is that of
// the inner packet. The outer checksum is absent, or was computed in advance as
// if the inner one were finished
// (Documentation/networking/checksum-offloads.rst, Local Checksum Offload).

var errOwed = fmt.Errorf("%w: the packet has an unfinished checksum that Replace cannot complete, for example inside a tunnel; with Config.NoGSO the kernel completes it first", ErrUnsupported)

// isOwed reports whether b, the replacement for the packet, may contain an owed
// checksum that is not that of b's own transport. In mode MetaOnly it cannot,
// because the caller has seen no byte of the packet.
//
// A program that changes the inner packet of a tunnel usually leaves its
// checksum as it is, which is then no longer recognized as unfinished. So all
// inner packets of b must have valid checksums.
func isOwed(p *Packet, b []byte) bool {
	switch {
	case p.ChecksumReady() || len(p.Payload) == 0:
		return false
	case owesElsewhere(p.Payload, unfinished):
		return owesElsewhere(b, invalid)
	}
	return encloses(b, len(p.Payload))
}

// encloses reports whether the program has put a packet of n bytes with an
// unfinished checksum into b, a packet of a tunnel, or has cut it into
// fragments, of which b is one.
func encloses(b []byte, n int) bool {
	var h ip.Headers
	h.Parse(b)
	return h.Fragment || h.Transport > 0 && len(b)-h.Transport >= n && !isPlain(h.Protocol) && holds(b[h.Transport:], false, unfinished)
}

// isPlain reports whether the transport is one that the kernel builds no tunnels
// of. The packet that an ICMP error quotes may have any checksum.
func isPlain(protocol uint8) bool {
	switch protocol {
	case protoTCP, protoSCTP, protoICMP, protoICMPv6, protoIGMP, protoUDPLite, protoDCCP:
		return true
	}
	return false
}

// owesElsewhere reports whether an owed checksum of b may be another one than
// that of its transport. owes reports it for an inner packet; cut reports that
// the copy ends before the data around the inner packet does.
func owesElsewhere(b []byte, owes func(inner []byte, cut bool) bool) bool {
	var h ip.Headers
	h.Parse(b)
	if h.Transport == 0 || h.Fragment {
		return true
	}
	segment := b[h.Transport:]
	switch {
	case isPlain(h.Protocol):
		return h.UnknownRoute
	case h.Protocol == protoUDP:
		n, _ := ip.Length(b)
		return h.UnknownRoute || len(segment) < 8 || binary.BigEndian.Uint16(segment[6:]) == 0 || holds(segment[8:], n > len(b), owes)
	}
	return true
}

// maxTunnelHeaders is how far holds searches. The longest headers before an
// inner packet are those of Geneve, up to 260 bytes (RFC 8926) and an Ethernet
// header. Three such tunnels may be nested.
const maxTunnelHeaders = 1024

// holds reports whether data, for example that of a UDP datagram, contains a
// packet for which owes returns true. The port does not identify a tunnel or its type, so
// holds tries every even offset: the headers before the inner packet have an
// even length, because the kernel could not sum them otherwise.
func holds(data []byte, cut bool, owes func(inner []byte, cut bool) bool) bool {
	const least = 20 + 8
	for at := 0; at+least <= len(data) && at < maxTunnelHeaders; at += 2 {
		if v := data[at] >> 4; (v == 4 || v == 6) && owes(data[at:], cut) {
			return true
		}
	}
	return false
}

// unfinished reports whether b is a TCP or UDP packet whose checksum is the sum
// of its pseudo-header, to which the device adds the rest, or an SCTP packet
// without a checksum.
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

// invalid reports whether b is a TCP, UDP or SCTP packet whose checksum is
// wrong, among them those for which unfinished returns true.
func invalid(b []byte, cut bool) bool {
	var h ip.Headers
	h.Parse(b)
	switch h.Protocol {
	case protoTCP, protoUDP, protoSCTP:
		valid, err := checksum.Valid(b)
		return err == nil && !valid || unfinished(b, cut)
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
