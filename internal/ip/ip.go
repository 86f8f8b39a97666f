// Package ip parses the headers of an IP packet, up to the transport header,
// for packages checksum and queue.
//
// A packet is a slice that starts at its IP header. It may be malformed, or a
// copy of only the beginning of the packet: Parse parses as much as it can and
// reports a Fault. The package does not allocate or change the packet.
package ip

// Headers describes the headers before the transport. All positions are offsets
// in the packet that was passed to Parse.
type Headers struct {
	// Version is 4 or 6. It is 0 if the slice is not an IP packet, or ends
	// inside the fixed part of its IP header. Then only Fault is set.
	Version uint8

	// Protocol is the protocol number of the transport. If Transport is 0, it
	// is the last number that Parse could read before the transport.
	Protocol uint8

	// Fragment reports that the packet is a fragment of a larger one.
	Fragment bool

	// UnknownRoute reports that the packet has a routing header of an unknown
	// type, which contains the end of the route.
	UnknownRoute bool

	// Noted reports that the IPv4 header has an option whose position the kernel
	// notes, to read or write there later: a record route, a timestamp, a
	// source route or a CIPSO label (linux 6.12: net/ipv4/ip_options.c,
	// __ip_options_compile).
	Noted bool

	// Fault is the first fault that Parse found. It does not report faults
	// after the fragment header of a Fragment, whose rest is in other
	// fragments.
	Fault Fault

	// Length is the length of the IPv4 header with its options or of the IPv6
	// header without extension headers.
	Length int

	// Transport is the start of the transport header, which may be the end of
	// the packet. It is 0 in fragments other than the first, and if the packet
	// ends before the transport header.
	Transport int

	// Jumbo is the position of the 4 bytes of data in an IPv6 jumbo payload
	// option, 0 if there is none.
	Jumbo int

	// The positions of the addresses for the pseudo-header. The last finalLen
	// bytes of the destination are at final, and the others in the IPv6 header.
	source, final, finalLen int
}

// A Fault is an error in the headers of a packet.
type Fault uint8

// The faults.
const (
	NoFault        Fault = iota
	HeaderCut            // the packet ends inside its IP header
	NotIP                // it is neither IPv4 nor IPv6
	HeaderTooShort       // the IPv4 header length is below 20
	TotalTooShort        // the IPv4 total length is below the header length
	BadOption            // an option extends past the end of its header
	BadSourceRoute       // an IPv4 source route option is malformed, or a second one
	BadHomeAddress       // an IPv6 home address option has no address
	BadJumbo             // an IPv6 jumbo payload option is malformed, or in a short packet
	BadRoute             // an IPv6 routing header is malformed
	ExtensionCut         // an extension header extends past the end of the packet
)

// The protocol numbers of headers before the transport.
const (
	hopByHop       = 0
	routing        = 43
	fragment       = 44
	authentication = 51
	destination    = 60
)

// Parse sets h, which must be zero, from the headers of packet. It assumes that
// the whole slice is the packet; callers that know the length of the packet,
// from function Length, pass a slice of that length.
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

// fail records a fault, unless there is already one, or the packet is a
// Fragment.
func (h *Headers) fail(f Fault) {
	if h.Fault == NoFault && !h.Fragment {
		h.Fault = f
	}
}

// Source returns the source address for the pseudo-header, 4 or 16 bytes. It is
// that of the IP header or, for a mobile node, that of the home address option:
// the receiver replaces the address before it processes the transport (RFC
// 6275, section 9.3.1; linux 3.4: net/ipv6/exthdrs.c, ipv6_dest_hao). packet is
// the one that was parsed.
func (h *Headers) Source(packet []byte) []byte {
	if h.Version == 4 {
		return packet[h.source : h.source+4]
	}
	return packet[h.source : h.source+16]
}

// Destination4 returns the destination address for the IPv4 pseudo-header: the
// end of the source route, if there is one.
func (h *Headers) Destination4(packet []byte) []byte { return packet[h.final : h.final+4] }

// Destination6 returns the destination address for the IPv6 pseudo-header: the
// end of the route, if there is one. It is not valid if UnknownRoute is set.
func (h *Headers) Destination6(packet []byte) (address [16]byte) {
	address = [16]byte(packet[24:])
	copy(address[16-h.finalLen:], packet[h.final:h.final+h.finalLen])
	return address
}
