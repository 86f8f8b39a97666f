package checksum

import "encoding/binary"

// A transport describes the checksum of a datagram's transport: where it is and
// what it covers. The zero transport has no checksum.
type transport struct {
	covered []byte // what the checksum covers, including its own field
	field   int    // offset of the field in covered
	pseudo  uint64 // partial sum of the pseudo-header, 0 if there is none
	rule    rule
}

// A rule is how a checksum is computed.
type rule uint8

const (
	ruleNone    rule = iota // there is no checksum
	ruleSum                 // complement of the sum, RFC 1071
	ruleNonzero             // like ruleSum, but 0 is sent as 0xffff, RFC 768
	ruleCRC32c              // RFC 9260, appendix A
)

// findChecksum sets d.transport.
func (d *datagram) findChecksum() error {
	if d.ipv4() {
		return d.findIPv4()
	}
	return d.findIPv6()
}

func (d *datagram) findIPv4() error {
	switch d.Protocol {
	case protoICMP, protoIGMP:
		return d.icmp()
	}
	return d.findAny()
}

func (d *datagram) findIPv6() error {
	switch d.Protocol {
	case protoICMPv6:
		return d.icmpv6()
	case protoNoNextHeader:
		return nil
	}
	return d.findAny()
}

// findAny handles the protocols that IPv4 and IPv6 have in common.
func (d *datagram) findAny() error {
	switch d.Protocol {
	case protoTCP:
		return d.tcp()
	case protoUDP:
		return d.udp()
	case protoUDPLite:
		return d.udpLite()
	case protoDCCP:
		return d.dccp()
	case protoSCTP:
		return d.sctp()
	case protoESP:
		return errEncrypted
	}
	return errProtocol
}

// withPseudo sets d.transport for a checksum that also covers a pseudo-header
// with the given length.
func (d *datagram) withPseudo(covered []byte, field, length int, r rule) error {
	if d.UnknownRoute {
		return errRouting
	}
	pseudo := d.addresses() + uint64(d.Protocol) + uint64(length)
	d.transport = transport{covered, field, pseudo, r}
	return nil
}

// icmp handles ICMP (RFC 792) and IGMP (RFC 3376): checksum at offset 2, no
// pseudo-header.
func (d *datagram) icmp() error {
	payload := d.payload()
	if len(payload) < 8 {
		return errTransport
	}
	d.transport = transport{covered: payload, field: 2, rule: ruleSum}
	return nil
}

// icmpv6 handles RFC 4443: checksum at offset 2.
func (d *datagram) icmpv6() error {
	payload := d.payload()
	if len(payload) < 4 {
		return errTransport
	}
	return d.withPseudo(payload, 2, len(payload), ruleSum)
}

// tcp handles RFC 9293: checksum at offset 16.
func (d *datagram) tcp() error {
	payload := d.payload()
	if len(payload) < 20 {
		return errTransport
	}
	return d.withPseudo(payload, 16, len(payload), ruleSum)
}

// udp handles RFC 768: length at offset 4, checksum at offset 6. The checksum
// does not cover bytes of the packet after that length.
func (d *datagram) udp() error {
	payload := d.payload()
	if len(payload) < 8 {
		return errTransport
	}
	n := int(binary.BigEndian.Uint16(payload[4:]))
	if n == 0 && (!d.ipv4() || len(payload) > maxPayload) {
		// RFC 2675, section 4, says so for long packets only; Linux does not
		// ask (linux 6.12: net/ipv6/udp.c, __udp6_lib_rcv).
		n = len(payload)
	}
	if n < 8 || n > len(payload) {
		return errUDPLength
	}
	if d.ipv4() && binary.BigEndian.Uint16(payload[6:]) == 0 {
		return nil // the sender computed no checksum
	}
	return d.withPseudo(payload[:n], 6, n, ruleNonzero)
}

// udpLite handles RFC 3828: checksum coverage at offset 4, in bytes from the
// start of the header, where 0 means everything; checksum at offset 6.
func (d *datagram) udpLite() error {
	payload := d.payload()
	if len(payload) < 8 {
		return errTransport
	}
	n := int(binary.BigEndian.Uint16(payload[4:]))
	if n == 0 {
		n = len(payload)
	}
	if n < 8 || n > len(payload) {
		return errCoverage
	}
	return d.withPseudo(payload[:n], 6, len(payload), ruleNonzero)
}

// dccp handles RFC 4340: data offset at offset 4, in words of 4 bytes; checksum
// coverage in the low 4 bits at offset 5, where 0 means everything and n means
// n-1 words after the header; checksum at offset 6.
func (d *datagram) dccp() error {
	payload := d.payload()
	if len(payload) < 12 {
		return errTransport
	}
	header := 4 * int(payload[4])
	if header < 12 || header > len(payload) {
		return errDataOffset
	}
	n := len(payload)
	if words := int(payload[5] & 0x0f); words != 0 {
		n = header + 4*(words-1)
	}
	if n > len(payload) {
		return errCoverage
	}
	return d.withPseudo(payload[:n], 6, len(payload), ruleSum)
}

// sctp handles RFC 9260: checksum of 4 bytes at offset 8, no pseudo-header.
func (d *datagram) sctp() error {
	payload := d.payload()
	if len(payload) < 12 {
		return errTransport
	}
	d.transport = transport{covered: payload, field: 8, rule: ruleCRC32c}
	return nil
}
