// Package ip reads the headers of an IP packet, up to the transport header. It
// is what checksum and queue have in common.
//
// A packet is a slice that starts at its IP header. It may be malformed, or a
// copy that lacks the end of the packet: Parse goes as far as the slice allows
// and reports a Fault. Nothing here allocates or changes the packet.
package ip

// Headers describes the headers in front of the transport. All positions are
// offsets in the packet that Parse was given.
type Headers struct {
	// Version is 4 or 6. It is 0 for a slice that is no IP packet or ends
	// within the fixed part of its IP header; then only Fault is set as well.
	Version uint8

	// Protocol is the protocol number of the transport. If Transport is 0, it
	// is the last number that Parse could read on the way there.
	Protocol uint8

	// Fragment reports that the packet is a piece of a larger one.
	Fragment bool

	// UnknownRoute reports that the end of the route is in a routing header of
	// a type that is not known here.
	UnknownRoute bool

	// Fault is the first thing that was found wrong. Faults behind the fragment
	// header of a Fragment are not reported, since its end is in another one.
	Fault Fault

	// Length is the length of the IPv4 header with its options or of the IPv6
	// header without extension headers.
	Length int

	// Transport is where the transport header starts, which may be the end of
	// the packet. It is 0 in all fragments but the first, and if the packet
	// ends before it.
	Transport int

	// Jumbo is where the 4 bytes of an IPv6 jumbo payload option are, 0 if
	// there is none.
	Jumbo int

	// The addresses of the pseudo-header. The last finalLen bytes of the
	// destination are at final, those before them in the IPv6 header.
	source, final, finalLen int
}

// A Fault is what is wrong with a packet.
type Fault uint8

// What can be wrong with the headers of a packet.
const (
	NoFault        Fault = iota
	HeaderCut            // the packet ends within its IP header
	NotIP                // it is neither IPv4 nor IPv6
	HeaderTooShort       // the IPv4 header length is below 20
	TotalTooShort        // the IPv4 total length is below the header length
	BadOption            // an option goes past the end of its header
	BadSourceRoute       // an IPv4 source route option is malformed, or a second one
	BadHomeAddress       // an IPv6 home address option has no address
	BadJumbo             // an IPv6 jumbo payload option is malformed, or in a short packet
	BadRoute             // an IPv6 routing header is malformed
	ExtensionCut         // an extension header goes past the end of the packet
)

// Protocol numbers that IPv4 and IPv6 headers have in front of the transport.
const (
	hopByHop       = 0
	routing        = 43
	fragment       = 44
	authentication = 51
	destination    = 60
)

// Parse sets h, which must be zero, from the headers of packet. It takes all of
// packet to belong to it; callers that know where the packet ends, as Length
// reports, cut it there.
func (h *Headers) Parse(packet []byte) {
	switch version(packet) {
	case 4:
		h.parse4(packet)
	case 6:
		h.parse6(packet)
	default:
		h.Fault = noVersion(packet)
	}
}

// version returns the version in the IP header, 0 for an empty packet.
func version(packet []byte) uint8 {
	if len(packet) == 0 {
		return 0
	}
	return packet[0] >> 4
}

func noVersion(packet []byte) Fault {
	if len(packet) == 0 {
		return HeaderCut
	}
	return NotIP
}

// fail records a fault, unless there is one already.
func (h *Headers) fail(f Fault) {
	if h.Fault == NoFault && !h.Fragment {
		h.Fault = f
	}
}

// Source returns the source address of the pseudo-header, of 4 or 16 bytes. It
// is the header's own or, for a mobile node, that of the home address option,
// with which the receiver replaces it before it looks at the transport (RFC
// 6275, section 9.3.1; linux 3.4: net/ipv6/exthdrs.c, ipv6_dest_hao). packet
// is the one that was parsed.
func (h *Headers) Source(packet []byte) []byte {
	if h.Version == 4 {
		return packet[h.source : h.source+4]
	}
	return packet[h.source : h.source+16]
}

// Destination4 returns the destination address of the IPv4 pseudo-header,
// which is the end of a source route.
func (h *Headers) Destination4(packet []byte) []byte { return packet[h.final : h.final+4] }

// Destination6 returns the destination address of the IPv6 pseudo-header,
// which is the end of a route, unless UnknownRoute is set.
func (h *Headers) Destination6(packet []byte) (address [16]byte) {
	address = [16]byte(packet[24:])
	copy(address[16-h.finalLen:], packet[h.final:h.final+h.finalLen])
	return address
}
