// Package checksum sums IP packets and repairs their checksums in place.
//
// A packet that a program has changed needs its checksums made right, or the
// receiver drops it without a word. Fix does that for a whole packet, and
// Resize sets its lengths first if they have changed:
//
//	packet = append(packet[:28], answer...)
//	if err := checksum.Resize(packet); err != nil {
//		return err
//	}
//	return checksum.Fix(packet)
//
// Where only an address or a port changes, Update computes the new checksum
// from the old one, without a pass over the data. Sum, Fold, Combine and the
// pseudo-headers are the parts for anything else.
//
// # What is repaired
//
// A packet is a slice that starts at its IP header. Its IP length says where it
// ends: bytes beyond, as link padding, are left alone. An IP length of 0 means
// as long as the slice: the kernel writes it for super-packets that are too long
// for the field, until they are cut into segments.
//
//   - IPv4: the header checksum, options included. The pseudo-header gets the
//     end of the route while a loose or strict source route is under way.
//   - IPv6: it has no header checksum. Extension headers are followed in any
//     order: hop-by-hop and destination options, routing (types 0, 2, 3 and 4),
//     fragment, authentication. The pseudo-header gets the last destination of
//     a routing header with segments left, and as its source the address in a
//     home address option. A jumbo payload option is the length where the
//     field says 0.
//   - TCP, ICMP, ICMPv6, IGMP: one checksum over all of it.
//   - UDP: over the bytes that the UDP length counts. On IPv4 a zero says that
//     the sender made no checksum, and stays; on IPv6 zero is not allowed and
//     is replaced. A checksum that comes out as zero is sent as 0xffff.
//   - UDP-Lite and DCCP: over the part that the checksum coverage counts. For
//     UDP-Lite, zero is not allowed.
//   - SCTP: the CRC32c.
//   - IPv6 with no next header: nothing, for there is no transport.
//
// # What is left alone
//
// What cannot be known is not guessed. Fix and Valid return one of three kinds
// of error, none of which costs an allocation:
//
//   - ErrLeftAlone: a fragment has but a part of what its checksum covers; ESP
//     hides the transport; other protocols, IPv6 routing headers of other types
//     and ICMP for the wrong IP version have no known checksum. Tunnels are
//     among them: what is inside keeps its own checksums. The IPv4 header is
//     repaired, and the packet can be sent if its transport was not changed. An
//     IPv6 fragment header with offset 0 and nothing to follow makes no
//     fragment (RFC 6946).
//   - ErrTruncated: the copy ends before the packet does. Nothing is changed.
//   - ErrMalformed: a header cannot be right, such as one with an option that
//     goes past its end. Nothing is changed.
//
// The integrity check value of an authentication header is not repaired, for
// that needs the key: a receiver that checks it will drop a changed packet.
//
// # Offload
//
// A packet whose checksum was to be completed by the network device has an
// unfinished one, and so has a super-packet that the device was to cut into
// segments. Valid says false for it, and Fix gives it the checksum of the whole
// packet as it stands. That is what the kernel needs with a replaced payload,
// for it will not complete such a checksum any more (linux 6.6:
// net/netfilter/nfnetlink_queue.c, nfqnl_mangle).
//
// # Speed
//
// The sum is pure Go with a carry chain of machine words. On amd64 with AVX2
// and on arm64 long slices are summed by vector instructions; the build tag
// purego leaves those out. Nothing here allocates.
package checksum
