package queue

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ipqueue/ipqueue/checksum"
	"github.com/ipqueue/ipqueue/internal/ip"
)

// checkPayload refuses a replacement that the kernel would ignore or drop, that
// would harm the kernel, or that would arrive damaged. It changes nothing.
func checkPayload(p *Packet, v *Verdict, limit int) error {
	b := v.Payload
	switch {
	case b == nil:
		return nil
	case len(b) > limit:
		return tooLong(len(b), limit)
	case len(b) < minPayload(p.version()):
		return fmt.Errorf("%w: payload has %d bytes, but must have at least %d", ErrInvalid, len(b), minPayload(p.version()))
	case p.version() == 0:
		return checkOther(p, v)
	}
	var old, given ip.Headers
	p.headers(&old)
	given.Parse(b)
	if err := checkHeaders(p, b, &old, &given); err != nil || v.Raw {
		return err
	}
	switch {
	case int(given.Version) != p.version():
		return fmt.Errorf("%w: payload is not an IPv%d packet", ErrInvalid, p.version())
	case p.Truncated() && !v.data && !completes(p, b):
		n, _ := ip.Length(b)
		return fmt.Errorf("%w: it has %d of %d bytes; if it is complete, set its IP length", ErrTruncated, len(b), max(n, int(p.Length)))
	case isOwed(p, b):
		return errOwed
	}
	return nil
}

// checkOther is checkPayload for packets that are not IP, or that the kernel
// does not report as IP, such as bridged packets with a VLAN tag.
func checkOther(p *Packet, v *Verdict) error {
	switch {
	case p.GSO():
		return fmt.Errorf("%w: only TCP can be replaced as a GSO packet; %s", ErrUnsupported, gsoRemedy)
	case !p.ChecksumReady() && !v.Raw:
		return errOwed
	}
	return nil
}

func tooLong(n, limit int) error {
	return fmt.Errorf("%w: payload has %d bytes, but the kernel accepts at most %d", ErrInvalid, n, limit)
}

// minPayload returns the length of the shortest packet of an IP version.
func minPayload(version int) int {
	switch version {
	case 4:
		return 20
	case 6:
		return 40
	}
	return 1
}

// checkHeaders refuses a replacement whose headers differ from the packet's in
// a way that the kernel cannot handle, because it keeps positions in the old
// headers.
func checkHeaders(p *Packet, b []byte, old, given *ip.Headers) error {
	if len(b) < old.Transport {
		// nfnetlink_queue.c, nfqnl_mangle
		return fmt.Errorf("%w: payload has %d bytes, less than the %d bytes of the packet's IP headers", ErrInvalid, len(b), old.Transport)
	}
	if changesNoted(p, b, old, given) {
		return fmt.Errorf("%w: at hook %v, IPv4 options cannot change if a record route, timestamp, source route or CIPSO is among them; "+
			"at hook Prerouting, no-operation options can take their place", ErrUnsupported, p.Hook)
	}
	if p.GSO() {
		return checkGSO(p, b, old, given)
	}
	if isDelivered(p) && len(p.Payload) > 0 && p.Payload[0]>>4 == given.Version {
		switch notedLen(p.Payload) {
		case notedLen(b):
		case 0:
			return fmt.Errorf("%w: at hook %v, the length of the IPv6 hop-by-hop header cannot change, and the copy ends before it", ErrUnsupported, p.Hook)
		default:
			return fmt.Errorf("%w: at hook %v, the length of the IPv4 header or the IPv6 hop-by-hop header cannot change", ErrUnsupported, p.Hook)
		}
	}
	return nil
}

// changesNoted reports whether the IPv4 options of the packet and of b, its
// replacement, differ although the kernel has noted the positions of the old
// ones, which it does after HookPrerouting. When it forwards the packet or
// answers it with ICMP, it writes and reads there, and destroys what is there
// now, or its own memory (linux 6.12: net/ipv4/ip_options.c,
// ip_forward_options, __ip_options_echo).
func changesNoted(p *Packet, b []byte, old, given *ip.Headers) bool {
	if p.Family != IPv4 || p.Hook == HookPrerouting || len(p.Payload) == 0 {
		return false
	}
	end := 4 * int(p.Payload[0]&0xf)
	if end > len(p.Payload) {
		return end > 20 // the copy does not show what the kernel noted
	}
	return old.Noted && (given.Length != end || len(b) < end || !bytes.Equal(b[20:end], p.Payload[20:end]))
}

// isDelivered reports whether the packet may be on its way to a socket of this
// host. The kernel has already read its IP headers, up to notedLen, and
// continues there (linux 6.12: net/ipv4/ip_input.c, ip_local_deliver_finish;
// net/ipv6/ip6_input.c, ip6_protocol_deliver_rcu).
func isDelivered(p *Packet) bool {
	return p.Family != Bridge && (p.Hook == HookPrerouting || p.Hook == HookInput)
}

// notedLen returns the length of the headers that the kernel has read of an
// incoming packet, 0 if b ends before that length. b must not be empty.
func notedLen(b []byte) int {
	const header, next, hopByHop = 40, 6, 0
	switch {
	case b[0]>>4 == 4:
		return 4 * int(b[0]&0xf)
	case len(b) <= next || b[next] != hopByHop: // rarely is it one
		return header
	case len(b) < header+2:
		return 0
	}
	return header + 8 + 8*int(b[header+1])
}

const gsoRemedy = "Config.NoGSO avoids such packets"

// checkGSO refuses replacements of a GSO packet that would break its segments.
// The kernel splits the replacement by what it knows of the old packet, so the
// headers and the length must be the same. This works for TCP, because the
// kernel computes new checksums for the segments (linux 6.12:
// net/ipv4/tcp_offload.c, tcp4_gso_segment). For UDP it derives them from the
// old checksum, which must be unfinished, but that of a replaced packet is not;
// Linux 5.10 panics (net/ipv4/udp_offload.c, __udp_gso_segment).
func checkGSO(p *Packet, b []byte, old, given *ip.Headers) error {
	switch {
	case len(b) != int(p.Length):
		return fmt.Errorf("%w: the replacement of a GSO packet must have the same length; %s", ErrUnsupported, gsoRemedy)
	case old.Transport == 0 || old.Protocol != protoTCP || old.Fragment:
		return fmt.Errorf("%w: only TCP can be replaced as a GSO packet; %s", ErrUnsupported, gsoRemedy)
	case given.Transport != old.Transport || given.Protocol != protoTCP || given.Fragment:
		return fmt.Errorf("%w: the replacement of a GSO packet must have headers of the same length; %s", ErrUnsupported, gsoRemedy)
	}
	return nil
}

// completes reports whether b, a replacement for a truncated copy, is complete
// according to its own length.
func completes(p *Packet, b []byte) bool {
	n, _ := ip.Length(b)
	if lengthField(b) == 0 && n == len(b) {
		n = int(p.Length) // 0 means the length of the packet
	}
	return n <= len(b)
}

// lengthField returns the total length field of an IPv4 packet or the payload
// length field of an IPv6 packet.
func lengthField(b []byte) uint16 {
	if b[0]>>4 == 4 {
		return binary.BigEndian.Uint16(b[2:])
	}
	return binary.BigEndian.Uint16(b[4:])
}

// repair sets the lengths and checksums of b, a copy of the replacement for p.
// If package checksum does not know the transport checksum (fragments, unknown
// protocols), it stays as it is.
func repair(p *Packet, b []byte) error {
	var err error
	if !keepsLengths(p, b) {
		err = checksum.Resize(b)
		cover(p, b)
	}
	if err == nil {
		err = fix(p, b)
	}
	if err == nil || errors.Is(err, checksum.ErrLeftAlone) {
		return nil
	}
	return fmt.Errorf("%w: payload cannot be repaired (ReplaceRaw sends it unchanged): %w", ErrInvalid, err)
}

// keepsLengths reports whether b has as many bytes as the packet, or as a copy
// that lacks only padding, and the same lengths in its headers. These then stay
// as they are: an IP length may be 0 or exclude padding, and a UDP length may
// exclude the end of the IP packet.
func keepsLengths(p *Packet, b []byte) bool {
	sameBytes := len(b) == int(p.Length) || len(b) == len(p.Payload)
	if !sameBytes || len(p.Payload) < minPayload(p.version()) || lengthField(b) != lengthField(p.Payload) {
		return false
	}
	n, fault := ip.Length(b)
	if fault != ip.NoFault || n > len(b) {
		return false
	}
	var h ip.Headers
	h.Parse(b[:n])
	if h.Protocol != protoUDP || h.Fragment || h.Transport == 0 {
		return true
	}
	udp := b[h.Transport:n]
	if len(udp) < 8 || len(p.Payload) < h.Transport+6 {
		return false
	}
	length := udp[4:6]
	given := int(binary.BigEndian.Uint16(length))
	consistent := given >= 8 && given <= len(udp) || given == 0 && h.Version == 6
	return consistent && bytes.Equal(length, p.Payload[h.Transport+4:][:2])
}

// cover adapts what the checksum of UDP-Lite or DCCP covers to another length.
// It covers all of b if it covered all of the packet, as Linux sends UDP-Lite,
// or if b is too short for what it covered. A coverage that was longer than the
// packet remains, which is an error. UDP-Lite has its coverage where UDP has its
// length.
func cover(p *Packet, b []byte) {
	var old, h ip.Headers
	whole := p.headers(&old)
	h.Parse(b)
	if old.Protocol != h.Protocol || h.Fragment || h.Transport == 0 || len(whole) < old.Transport+6 || len(b) < h.Transport+6 {
		return
	}
	before, segment := whole[old.Transport:], b[h.Transport:]
	most, n := min(p.wholeLen(), int(p.Length))-old.Transport, len(segment)
	switch h.Protocol {
	case protoUDPLite:
		covered := int(binary.BigEndian.Uint16(before[4:]))
		cut := covered > n && covered <= most && bytes.Equal(before[4:6], segment[4:6])
		if (covered == most || cut) && n <= 0xffff {
			binary.BigEndian.PutUint16(segment[4:], uint16(n))
		}
	case protoDCCP: // 0 means all, n means n-1 words after the header
		words := int(segment[5] & 0x0f)
		covered := 4 * (int(segment[4]) + words - 1)
		if words > 0 && covered > n && covered <= most && bytes.Equal(before[4:6], segment[4:6]) {
			segment[5] &^= 0x0f
		}
	}
}

// fix sets the checksums of b. It adds no UDP checksum that the sender left
// out, which tunnels may do in IPv6 as well (RFC 6935).
func fix(p *Packet, b []byte) error {
	absent := p.ChecksumReady() && b[0]>>4 == 6 && noChecksum(p.Payload) && noChecksum(b)
	err := checksum.Fix(b)
	if err == nil && absent {
		var h ip.Headers
		h.Parse(b)
		clear(b[h.Transport+6:][:2])
	}
	return err
}

// noChecksum reports whether b is a UDP datagram without a checksum.
func noChecksum(b []byte) bool {
	var h ip.Headers
	h.Parse(b)
	return h.Protocol == protoUDP && h.Transport != 0 && !h.Fragment && len(b) >= h.Transport+8 &&
		b[h.Transport+6] == 0 && b[h.Transport+7] == 0
}
