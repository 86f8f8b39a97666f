package queue

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/ipqueue/ipqueue/internal/sock"
)

// nfqueueLimits describes what nfnetlink_queue of Linux 7.2 and later leaves
// out of a verdict, or drops the packet for, without an error. The zero value
// is for older kernels.
type nfqueueLimits struct {
	// guarded: the headers of a replacement must agree with those of the
	// packet, and the Bridge family has no replacements (nfnetlink_queue.c,
	// nfqnl_validate_write).
	guarded bool
	// noReplace: every replaced packet is dropped, because the network
	// namespace does not belong to the initial user namespace (nfqnl_mangle).
	noReplace bool
	// noHelperChange: the kernel stops at an NFQA_CT attribute that removes the
	// helper, and does not change labels and mark.
	noHelperChange bool
	// sameProtocol: a tracked packet cannot get another protocol (Linux 7.3).
	sameProtocol bool
}

func limitsOf(q *binding) nfqueueLimits {
	linux := sock.ReleaseOf(q.host)
	return nfqueueLimits{
		guarded:        linux.AtLeast(7, 2),
		noReplace:      sock.DropsReplaced(q.host, q.sock),
		noHelperChange: linux.AtLeast(7, 2),
		sameProtocol:   linux.AtLeast(7, 3),
	}
}

// check refuses a verdict that the kernel would carry out for no packet.
func (l *nfqueueLimits) check(v *Verdict) error {
	if v.Conntrack.NoHelper && l.noHelperChange {
		return fmt.Errorf("%w: Linux 7.2 and later cannot remove the helper of a connection", ErrUnsupported)
	}
	return nil
}

// suits refuses a verdict that the kernel would not carry out for this packet.
// The payload is valid, but not repaired yet.
func (l *nfqueueLimits) suits(p *Packet, v *Verdict) error {
	switch {
	case v.Payload == nil || !l.guarded:
		return nil
	case l.noReplace:
		return fmt.Errorf("%w: Linux 7.2 and later drop replaced packets in a network namespace that the initial user namespace does not own; "+
			"make that namespace as root, not in a user namespace (rootless container, unshare --user)", ErrUnsupported)
	case p.Family == Bridge:
		return fmt.Errorf("%w: Linux 7.2 and later drop replaced packets of the Bridge family", ErrUnsupported)
	}
	changed := changedHeader(p, v.Payload)
	switch {
	case changed != "":
	case (v.Raw || keepsLengths(p, v.Payload)) && !exactLength(v.Payload):
		changed = "the IP length to another than the payload's"
	case l.sameProtocol && p.Family == IPv4 && v.Payload[9] != p.Payload[9]:
		return fmt.Errorf("%w: Linux 7.3 and later drop a tracked packet whose replacement has another protocol", ErrUnsupported)
	default:
		return nil
	}
	return fmt.Errorf("%w: Linux 7.2 and later drop a packet whose replacement changes %s", ErrUnsupported, changed)
}

// changedHeader returns a description of what b changes in the IP headers of
// the packet although it must not, or "". If the copy does not contain all
// headers, they cannot be compared, which counts as a change.
func changedHeader(p *Packet, b []byte) string {
	switch {
	case len(p.Payload) < minPayload(p.version()) || len(b) < minPayload(p.version()):
		return "an IP header that was not copied whole"
	case p.version() == 4:
		return changedIPv4(p.Payload, b)
	case p.version() == 6:
		return changedIPv6(p.Payload, b)
	}
	return "a packet of another protocol than IP"
}

func changedIPv4(old, b []byte) string {
	const dontFragment = 0x4000
	end := 4 * int(b[0]&0xf)
	fragment := binary.BigEndian.Uint16(old[6:]) ^ binary.BigEndian.Uint16(b[6:])
	switch {
	case b[0] != old[0] || end < 20:
		return "the length of the IP header"
	case fragment&^dontFragment != 0:
		return "fragment bits other than DF"
	case len(old) < end || len(b) < end || !bytes.Equal(old[20:end], b[20:end]):
		return "IP options"
	}
	return ""
}

func changedIPv6(old, b []byte) string {
	end, ok := extensionsEnd(old)
	switch {
	case b[0]>>4 != 6:
		return "the IP version"
	case b[6] != old[6]:
		return "the next header"
	case !ok || len(b) < end || !bytes.Equal(old[40:end], b[40:end]):
		return "extension headers"
	}
	return ""
}

// extensionsEnd returns where the extension headers of an IPv6 packet end,
// following the rules of the kernel, which also parses the data of fragments.
// It reports false if that is beyond the end of b, or if there are more headers
// than the kernel parses.
func extensionsEnd(b []byte) (end int, ok bool) {
	const most = 12 // IP6_MAX_EXT_HDRS_CNT
	next, end := b[6], 40
	for range most + 1 {
		length := 8
		switch next {
		case 0, 43, 60: // hop-by-hop options, routing, destination options
			if len(b) < end+2 {
				return 0, false
			}
			length = 8 * (int(b[end+1]) + 1)
		case 51: // authentication
			if len(b) < end+2 {
				return 0, false
			}
			length = 4 * (int(b[end+1]) + 2)
		case 44: // fragment
		default: // also 59, no next header
			return end, true
		}
		if len(b) < end+length {
			return 0, false
		}
		next, end = b[end], end+length
	}
	return 0, false
}

// exactLength reports whether the IP length equals the length of b.
func exactLength(b []byte) bool {
	n := int(lengthField(b))
	if b[0]>>4 == 6 {
		n += 40
	}
	return n == len(b)
}
