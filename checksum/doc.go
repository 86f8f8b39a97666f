// Package checksum computes and repairs the checksums of IP packets.
//
// A receiver drops a packet with a wrong checksum silently, so a program that
// changes a packet must update its checksums. [Fix] repairs all checksums of a
// packet in place. If the length of the packet has changed, call [Resize]
// first:
//
//	packet = append(packet[:28], answer...)
//	if err := checksum.Resize(packet); err != nil {
//		return err
//	}
//	return checksum.Fix(packet)
//
// If only an address or a port changes, [Update] computes the new checksum from
// the old one without reading the data. [Sum], [Fold], [Combine], [PseudoIPv4]
// and [PseudoIPv6] are building blocks for everything else.
//
// The package keeps no state and no reference to its arguments, and it does not
// allocate. All functions may be called from several goroutines at once,
// provided that no two of them use a packet that one of them changes.
//
// # What is repaired
//
// A packet is a slice that starts at an IP header. The length in that header
// determines where the packet ends; bytes after the end, such as link padding,
// are ignored. A length of 0 means that the whole slice is the packet: the
// kernel writes 0 into a packet that is too long for the field and will be
// split into segments later (GSO).
//
//   - IPv4: the header checksum, which covers the options. While a loose or
//     strict source route is in progress, the pseudo-header contains the end
//     of the route.
//   - IPv6 has no header checksum. Extension headers are accepted in any
//     order: hop-by-hop and destination options, routing (types 0, 2, 3 and
//     4), fragment, authentication. While a routing header has segments left,
//     the pseudo-header contains the last destination of the route. The
//     address in a home address option replaces the source. If the length in
//     the header is 0, the length in a jumbo payload option counts.
//   - TCP, ICMP, ICMPv6, IGMP: the checksum covers header and data.
//   - UDP: the checksum covers as many bytes as the UDP length gives. On IPv6,
//     a length of 0 means all bytes. On IPv4, a checksum of 0 means that the
//     sender computed none, and remains. On IPv6, 0 is invalid and is replaced.
//     A computed checksum of 0 is written as 0xffff.
//   - UDP-Lite and DCCP: the checksum covers the part that the header declares
//     as covered. For UDP-Lite, 0 is invalid and is replaced.
//   - SCTP: CRC32c.
//   - IPv6 with no next header: there is nothing to repair.
//
// # What is left alone
//
// Fix and [Valid] never guess. If they cannot know a checksum, they return an
// error that matches one of these:
//
//   - [ErrLeftAlone]: the transport checksum is not known. The packet is a
//     fragment, which contains only a part of what its checksum covers; or ESP
//     encrypts the transport; or the transport protocol or the type of the IPv6
//     routing header is unknown; or it is ICMP for the other IP version. Tunnel
//     protocols count as unknown: the packet inside keeps its checksums. Fix
//     repairs the IPv4 header, so the packet can be sent if its transport has
//     not changed. A packet whose IPv6 fragment header has offset 0 and no more
//     fragments is not a fragment (RFC 6946).
//   - [ErrTruncated]: the slice ends before the packet does. Nothing changes.
//   - [ErrMalformed]: a header is invalid; for example, an option extends past
//     the end of its header. Nothing changes.
//
// Fix does not repair the integrity check value of an authentication header,
// because that needs the key. A receiver that verifies it drops a changed
// packet.
//
// # Checksum offload
//
// If the network device computes the checksum or splits the packet into
// segments, the checksum in the packet is unfinished until then. Valid reports
// false for such a packet. Fix writes the checksum of the packet as it is. A
// replacement packet needs this, because the kernel no longer completes its
// checksum (linux 6.6: net/netfilter/nfnetlink_queue.c, nfqnl_mangle).
//
// # Speed
//
// Sum is pure Go and adds whole machine words. On arm64, and on amd64 with
// AVX2, it uses vector instructions for long slices. The build tag purego
// disables them.
package checksum
