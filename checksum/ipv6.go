package checksum

import "encoding/binary"

// ipv6HeaderLen is the length of an IPv6 header (RFC 8200, section 3), whose
// fields read here are
//
//	 4 payload length
//	 6 next header
//	 8 source
//	24 destination
const ipv6HeaderLen = 40

// maxPayload is the most that a 16-bit length field can say.
const maxPayload = 0xffff

// ipv6Length is ipLength for IPv6.
func ipv6Length(packet []byte) (int, error) {
	if len(packet) < ipv6HeaderLen {
		return 0, errHeader
	}
	payload := uint32(binary.BigEndian.Uint16(packet[4:]))
	if payload == 0 {
		jumbo, err := jumboLength(packet)
		if err != nil {
			return 0, err
		}
		payload = jumbo
	}
	if uint64(payload) > uint64(len(packet)-ipv6HeaderLen) {
		return 0, errLength
	}
	return ipv6HeaderLen + int(payload), nil
}

// jumboLength returns the payload length of a packet that has 0 in its header.
// It is that of the jumbo payload option (RFC 2675), which is for lengths
// beyond the 16-bit field, or 0 without one.
func jumboLength(packet []byte) (uint32, error) {
	option, err := jumboOption(packet)
	if option == nil || err != nil {
		return 0, err
	}
	if n := binary.BigEndian.Uint32(option); n > maxPayload {
		return n, nil
	}
	return 0, errJumbo
}

// jumboOption returns the 4 bytes of the jumbo payload option in the
// hop-by-hop header of packet, or nil if there is none.
func jumboOption(packet []byte) ([]byte, error) {
	d := datagram{protocol: packet[6], payload: packet[ipv6HeaderLen:]}
	if d.protocol != protoHopByHop {
		return nil, nil
	}
	n, err := d.extensionLength()
	if err != nil {
		return nil, err
	}
	option, err := ipv6Option(d.payload[:n], optionJumbo)
	if option != nil && len(option) != 4 {
		return nil, errJumbo
	}
	return option, err
}

// dissectIPv6 is dissect for IPv6.
func (d *datagram) dissectIPv6(packet []byte) error {
	if len(packet) < ipv6HeaderLen {
		return errHeader
	}
	d.header, d.protocol, d.payload = packet[:ipv6HeaderLen], packet[6], packet[ipv6HeaderLen:]
	d.source = ipv6Address(packet[8:])
	destination := [16]byte(packet[24:])
	for isExtension(d.protocol) {
		n, err := d.extensionLength()
		if err != nil {
			return err
		}
		if err := d.readExtension(d.payload[:n], &destination); err != nil {
			return err
		}
		d.skipExtension(n)
	}
	d.destination = ipv6Address(destination[:])
	return nil
}

// ipv6Address returns the partial sum of the 16 bytes at the start of b.
func ipv6Address(b []byte) uint64 {
	return swap(add16(0, b))
}

// isExtension tells the headers that stand between an IPv6 header and the
// transport, and say where they end. ESP is none of them: it hides what
// follows.
func isExtension(protocol uint8) bool {
	switch protocol {
	case protoHopByHop, protoRouting, protoFragment, protoAuthentication, protoDestination:
		return true
	}
	return false
}

// readExtension takes from an extension header what the pseudo-header needs, its
// source to d.source and its destination to destination.
func (d *datagram) readExtension(header []byte, destination *[16]byte) error {
	switch d.protocol {
	case protoRouting:
		return d.followRoute(header, destination)
	case protoDestination:
		return d.readHomeAddress(header)
	case protoFragment:
		// Offset 0 and no more fragments make an atomic fragment, which is a
		// whole packet (RFC 6946).
		if binary.BigEndian.Uint16(header[2:])&0xfff9 != 0 {
			return errFragment
		}
	}
	return nil
}

// IPv6 option types. Pad1 is a single byte; the others are followed by a byte
// with the length of their data.
const (
	optionPad1        = 0
	optionJumbo       = 0xc2 // RFC 2675
	optionHomeAddress = 0xc9 // RFC 6275
)

// ipv6Option returns the data of the first option of the given type in a
// hop-by-hop or destination options header, or nil if there is none.
func ipv6Option(header []byte, kind uint8) ([]byte, error) {
	for options := header[2:]; len(options) > 0; {
		if options[0] == optionPad1 {
			options = options[1:]
			continue
		}
		if len(options) < 2 || len(options) < 2+int(options[1]) {
			return nil, errOption
		}
		data := options[2 : 2+int(options[1])]
		if options[0] == kind {
			return data, nil
		}
		options = options[2+len(data):]
	}
	return nil, nil
}

// readHomeAddress takes the source of the pseudo-header from the home address
// option of a mobile node, if there is one. The header's own source is the
// care-of address then, which the receiver swaps with it before it looks at
// the transport (RFC 6275, section 9.3.1; linux 3.4: net/ipv6/exthdrs.c,
// ipv6_dest_hao).
func (d *datagram) readHomeAddress(header []byte) error {
	address, err := ipv6Option(header, optionHomeAddress)
	if address == nil || err != nil {
		return err
	}
	if len(address) != 16 {
		return errHomeAddress
	}
	d.source = ipv6Address(address)
	return nil
}
