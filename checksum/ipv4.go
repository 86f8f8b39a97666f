package checksum

import "encoding/binary"

// ipv4HeaderLen is the length of an IPv4 header without options (RFC 791,
// section 3.1), whose fields read here are
//
//	 0 version and header length in 4-byte words
//	 2 total length
//	 6 flags (0x2000 more fragments) and fragment offset (0x1fff)
//	 9 protocol
//	10 header checksum
//	12 source
//	16 destination
const ipv4HeaderLen = 20

// IPv4Header returns the value for the checksum field of an IPv4 header. What
// the field holds does not matter and is not changed.
//
// The header is 20 bytes or, with options, up to 60; IPv4Header panics if it is
// shorter. The header length in it is not looked at.
func IPv4Header(header []byte) uint16 {
	b := header[:ipv4HeaderLen:ipv4HeaderLen]
	sum := uint64(binary.LittleEndian.Uint32(b)) +
		uint64(binary.LittleEndian.Uint32(b[4:])) +
		uint64(binary.LittleEndian.Uint16(b[8:])) +
		uint64(binary.LittleEndian.Uint32(b[12:])) +
		uint64(binary.LittleEndian.Uint32(b[16:]))
	sum = swap(sum)
	if len(header) > ipv4HeaderLen {
		sum += Sum(header[ipv4HeaderLen:])
	}
	return ^Fold(sum)
}

// ipv4HeaderLength returns the length of packet's header, options included,
// which may be more than len(packet).
func ipv4HeaderLength(packet []byte) (int, error) {
	if len(packet) < ipv4HeaderLen {
		return 0, errHeader
	}
	n := 4 * int(packet[0]&0x0f)
	if n < ipv4HeaderLen {
		return 0, errHeaderLength
	}
	return n, nil
}

// ipv4Length is ipLength for IPv4.
func ipv4Length(packet []byte) (int, error) {
	header, err := ipv4HeaderLength(packet)
	if err != nil {
		return 0, err
	}
	total := int(binary.BigEndian.Uint16(packet[2:]))
	if total < header {
		return 0, errTotalLength
	}
	if total > len(packet) {
		return 0, errLength
	}
	return total, nil
}

// dissectIPv4 is dissect for IPv4.
func (d *datagram) dissectIPv4(packet []byte) error {
	n, err := ipv4HeaderLength(packet)
	if err != nil {
		return err
	}
	if n > len(packet) {
		return errHeader
	}
	d.header, d.protocol, d.payload = packet[:n], packet[9], packet[n:]
	final, err := sourceRoute(d.header)
	if err != nil {
		return err
	}
	d.source = uint64(binary.BigEndian.Uint32(packet[12:]))
	d.destination = uint64(binary.BigEndian.Uint32(final))
	if binary.BigEndian.Uint16(packet[6:])&0x3fff != 0 {
		return errFragment
	}
	return d.skipAuthentication()
}

// skipAuthentication moves d past the authentication headers of an IPv4
// packet, which are the only extension headers it can have.
func (d *datagram) skipAuthentication() error {
	for d.protocol == protoAuthentication {
		n, err := d.extensionLength()
		if err != nil {
			return err
		}
		d.skipExtension(n)
	}
	return nil
}

// IPv4 option types, RFC 791, section 3.1. All but the first two are followed
// by a byte with their length, the type and itself included.
const (
	optionEnd         = 0
	optionNop         = 1 // padding
	optionLooseRoute  = 131
	optionStrictRoute = 137
)

// sourceRoute returns the destination that the pseudo-header has: the last
// address of a source route still under way, where the header's own destination
// is just the next stop, or else that destination.
func sourceRoute(header []byte) ([]byte, error) {
	final, routes := header[16:20], 0
	for options := header[ipv4HeaderLen:]; len(options) > 0; {
		option, err := ipv4Option(options)
		if err != nil {
			return nil, err
		}
		options = options[len(option):]
		if option[0] != optionLooseRoute && option[0] != optionStrictRoute {
			continue
		}
		if routes++; routes > 1 || !validRoute(option) {
			return nil, errSourceRoute
		}
		if int(option[2]) <= len(option) {
			final = option[len(option)-4:]
		}
	}
	return final, nil
}

// ipv4Option returns the first of options, which are not empty. The end of the
// list is returned as one option with all that follows it.
func ipv4Option(options []byte) ([]byte, error) {
	switch options[0] {
	case optionEnd:
		return options, nil
	case optionNop:
		return options[:1], nil
	}
	if len(options) < 2 || options[1] < 2 || int(options[1]) > len(options) {
		return nil, errOption
	}
	return options[:options[1]], nil
}

// validRoute says whether a source route option is well formed: type, length,
// then a pointer, counted from 1, to one of the addresses that follow or past
// all of them.
func validRoute(option []byte) bool {
	if len(option) < 3 || len(option)%4 != 3 {
		return false
	}
	pointer := int(option[2])
	return pointer > len(option) || pointer >= 4 && pointer%4 == 0
}
