package queue

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// IPv4 decodes the packet's IPv4 header, which must be done before the verdict.
// The result shares no memory with Payload. It allocates: Flow is for where
// that matters. The error matches ErrInvalid if the packet is of another IP
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
	h.TotalLen = int(binary.BigEndian.Uint16(p.Payload[2:]))
	h.Flags, h.FragOff = ipv4.HeaderFlags(fragment>>13), int(fragment&0x1fff)
	return h, nil
}

// IPv6 decodes the packet's IPv6 header without extension headers, like IPv4.
func (p Packet) IPv6() (*ipv6.Header, error) {
	if err := p.isIP(6); err != nil {
		return nil, err
	}
	return ipv6.ParseHeader(p.Payload)
}

func (p *Packet) isIP(version int) error {
	if is := p.ipVersion(); is != version {
		return fmt.Errorf("%w: a packet of IP version %d, not %d", ErrInvalid, is, version)
	}
	return nil
}
