package queue

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/ipqueue/ipqueue/internal/ip"
)

// dataOf returns the start and the end of the data in b, whose headers are h.
// The start is 0 if there is no transport header with data after it.
func dataOf(h *ip.Headers, b []byte) (at, end int) {
	if h.Transport == 0 {
		return 0, 0
	}
	segment, n := b[h.Transport:], len(b)-h.Transport
	header := 8
	switch h.Protocol {
	case protoUDP:
		if n >= header {
			n = udpLength(segment)
		}
	case protoTCP:
		if header = 20; n > 12 {
			header = max(header, 4*int(segment[12]>>4))
		}
	case protoDCCP:
		if header = 12; n > 4 {
			header = max(header, 4*int(segment[4]))
		}
	case protoSCTP:
		header = 12
	case protoICMP, protoICMPv6, protoUDPLite:
	default:
		return 0, 0
	}
	if n < header {
		return 0, 0
	}
	return h.Transport + header, h.Transport + n
}

// udpLength returns the length of a UDP datagram according to its header, at
// most that of segment. A length of 0 means the whole segment (RFC 2675,
// section 4).
func udpLength(segment []byte) int {
	n := int(binary.BigEndian.Uint16(segment[4:]))
	if n == 0 {
		return len(segment)
	}
	return min(n, len(segment))
}

// headOf returns the headers of the packet, to which new data is to be
// appended.
func headOf(p *Packet, data []byte) ([]byte, error) {
	var h ip.Headers
	b := p.headers(&h)
	at, _ := dataOf(&h, b)
	switch {
	case h.Fragment:
		return nil, fmt.Errorf("%w: the data of a fragment cannot be replaced", ErrUnsupported)
	case at == 0 && p.Truncated():
		return nil, fmt.Errorf("%w: the copy ends before the data", ErrTruncated)
	case at == 0:
		return nil, fmt.Errorf("%w: the packet has no transport header with data after it", ErrUnsupported)
	case h.Protocol == protoTCP && at+len(data) != p.wholeLen():
		return nil, fmt.Errorf("%w: TCP data must keep its length of %d bytes: the sequence numbers of later segments depend on it", ErrUnsupported, p.wholeLen()-at)
	}
	return b[:at], nil
}

// withData replaces v.Payload, which is the new data, by the complete packet.
// It writes the packet to the end of the memory for the verdict's message;
// appendVerdict then moves it to its place.
func withData(p *Packet, v *Verdict) error {
	head, err := headOf(p, v.Payload)
	if err != nil {
		return err
	}
	n := len(head) + len(v.Payload)
	if limit := p.Queue().backend.maxPayload(); n > limit {
		return tooLong(n, limit)
	}
	s := p.slot
	s.Message = slices.Grow(s.Message[:0], v.room()+len(head))
	room := s.Message[:cap(s.Message)]
	whole := room[len(room)-n:]
	copy(whole[copy(whole, head):], v.Payload)
	v.Payload = whole
	return nil
}
