package kerneltest

import "encoding/binary"

const (
	protoTCP = 6
	protoUDP = 17
)

// A transport describes the transport header of a packet.
type transport struct {
	protocol  byte
	offset    int // of the header
	header    int // its length
	sum       int // offset of its checksum
	addresses int // offset of source and destination address
	width     int // bytes of both
}

// networkHeader is the length of the IP header, without extension headers.
func networkHeader(p []byte) int {
	switch {
	case len(p) >= 20 && p[0]>>4 == 4:
		return 4 * int(p[0]&0xf)
	case len(p) >= 40 && p[0]>>4 == 6:
		return 40
	default:
		return 0
	}
}

// findTransport finds the header of TCP or UDP.
func findTransport(p []byte) (t transport, ok bool) {
	t.offset = networkHeader(p)
	if t.offset == 0 {
		return t, false
	}
	t.protocol, t.addresses, t.width = p[9], 12, 8
	if p[0]>>4 == 6 {
		t.protocol, t.addresses, t.width = p[6], 8, 32
	}
	switch {
	case t.protocol == protoTCP && len(p) >= t.offset+20:
		t.header, t.sum = 4*int(p[t.offset+12]>>4), t.offset+16
	case t.protocol == protoUDP && len(p) >= t.offset+8:
		t.header, t.sum = 8, t.offset+6
	}
	return t, t.header > 0 && len(p) >= t.offset+t.header
}

// complete computes a transport checksum that was left to the device
// (skb_checksum_help).
func (p *Packet) complete() {
	if p.Checksum != Partial {
		return
	}
	p.Checksum = Complete
	if t, ok := findTransport(p.Payload); ok {
		t.setChecksum(p.Payload)
	}
}

// setChecksum computes the checksum over pseudo header and segment.
func (t transport) setChecksum(p []byte) {
	binary.BigEndian.PutUint16(p[t.sum:], 0)
	addresses, segment := p[t.addresses:t.addresses+t.width], p[t.offset:]
	c := ^fold(sum(addresses) + sum(segment) + uint32(t.protocol) + uint32(len(segment)))
	if c == 0 && t.protocol == protoUDP {
		c = 0xffff // 0 is "no checksum" (RFC 768)
	}
	binary.BigEndian.PutUint16(p[t.sum:], c)
}

// sum adds up b as 16-bit numbers (RFC 1071). It holds for up to 64 KiB.
func sum(b []byte) (s uint32) {
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return uint32(fold(s))
}

func fold(s uint32) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// segment splits a GSO packet as the kernel does for TCP and UDP (skb_gso_segment).
// Every segment gets the headers, with its own lengths, sequence number, IPv4 id and
// checksums. Any other packet is one segment.
func segment(p *Packet) []Packet {
	t, ok := findTransport(p.Payload)
	if !ok {
		whole := p.clone()
		whole.GSO = 0
		return []Packet{whole}
	}
	head, rest := p.Payload[:t.offset+t.header], p.Payload[t.offset+t.header:]
	var segments []Packet
	for at := 0; at == 0 || at < len(rest); at += p.GSO {
		end := min(at+p.GSO, len(rest))
		s := *p
		s.GSO, s.Checksum = 0, Complete
		s.Payload = append(append([]byte(nil), head...), rest[at:end]...)
		t.number(s.Payload, at, len(segments), end == len(rest))
		segments = append(segments, s)
	}
	return segments
}

// number turns p into the segment with the given index, whose data starts at offset
// at.
func (t transport) number(p []byte, at, index int, last bool) {
	be := binary.BigEndian
	if p[0]>>4 == 4 {
		be.PutUint16(p[2:], uint16(len(p)))
		be.PutUint16(p[4:], be.Uint16(p[4:])+uint16(index))
		be.PutUint16(p[10:], 0)
		be.PutUint16(p[10:], ^fold(sum(p[:t.offset])))
	} else {
		be.PutUint16(p[4:], uint16(len(p)-t.offset))
	}
	if t.protocol == protoTCP {
		be.PutUint32(p[t.offset+4:], be.Uint32(p[t.offset+4:])+uint32(at))
		if !last {
			p[t.offset+13] &^= 0x09 // FIN and PSH
		}
	} else {
		be.PutUint16(p[t.offset+4:], uint16(len(p)-t.offset))
	}
	t.setChecksum(p)
}
