package queue

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/ipqueue/ipqueue/internal/ip"
)

// IPv4 decodes the packet's IPv4 header, which must be done before the verdict.
// The result shares no memory with Payload. It allocates: Flow is for where
// that matters. A total length of 0, which super-packets have that are too long
// for the field, is decoded as the length of the packet. The error matches ErrInvalid if the packet is of another IP
// version, else it is that of ipv4.ParseHeader about a header that is cut.
func (p Packet) IPv4() (*ipv4.Header, error) {
	if err := p.isIP(4); err != nil {
		return nil, err
	}
	h, err := ipv4.ParseHeader(p.Payload)
	if err != nil {
		return nil, err
	}
	// ParseHeader takes two fields for what a raw socket of this system has.
	fragment := binary.BigEndian.Uint16(p.Payload[6:])
	h.TotalLen = p.wholeLen()
	h.Flags, h.FragOff = ipv4.HeaderFlags(fragment>>13), int(fragment&0x1fff)
	return h, nil
}

// IPv6 decodes the packet's IPv6 header without extension headers, like IPv4.
func (p Packet) IPv6() (*ipv6.Header, error) {
	if err := p.isIP(6); err != nil {
		return nil, err
	}
	h, err := ipv6.ParseHeader(p.Payload)
	if err != nil {
		return nil, err
	}
	h.PayloadLen = p.wholeLen() - ipv6.HeaderLen
	return h, nil
}

// wholeLen is the length that the IP header gives the packet, of which it shows
// the fixed part. A field of 0 means as long as the packet.
func (p *Packet) wholeLen() int {
	n, _ := ip.Length(p.Payload)
	switch field := int(lengthField(p.Payload)); {
	case field == 0:
		return max(n, int(p.Length))
	case p.Payload[0]>>4 == 4:
		return field
	}
	return n
}

func (p *Packet) isIP(version int) error {
	if is := p.ipVersion(); is != version {
		return fmt.Errorf("%w: a packet of IP version %d, not %d", ErrInvalid, is, version)
	}
	return nil
}
