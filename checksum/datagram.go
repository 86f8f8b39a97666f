package checksum

// Protocol numbers of IPv4's protocol and IPv6's next header field.
const (
	protoHopByHop       = 0
	protoICMP           = 1
	protoIGMP           = 2
	protoTCP            = 6
	protoUDP            = 17
	protoDCCP           = 33
	protoRouting        = 43
	protoFragment       = 44
	protoESP            = 50
	protoAuthentication = 51
	protoICMPv6         = 58
	protoNoNextHeader   = 59
	protoDestination    = 60
	protoSCTP           = 132
	protoUDPLite        = 136
)

// A datagram is an IP packet, taken apart as far as its checksums need it. Its
// slices are parts of the packet.
type datagram struct {
	header   []byte // of IPv4 with its options, of IPv6 without extensions
	protocol uint8  // of the payload
	payload  []byte // the transport's header and data

	// What the pseudo-header has, as partial sums.
	source, destination uint64
	unknownRoute        bool // destination is not the final one

	transport transport
}

// parse takes apart the part of packet that its IP length counts, and finds
// the checksum of its transport. With ErrLeftAlone, d.header is good.
func (d *datagram) parse(packet []byte) error {
	n, err := ipLength(packet)
	if err != nil {
		return err
	}
	if err := d.dissect(packet[:n]); err != nil {
		return err
	}
	return d.findChecksum()
}

// ipLength returns the length of packet by its IP header, which is at most
// len(packet).
func ipLength(packet []byte) (int, error) {
	switch version(packet) {
	case 4:
		return ipv4Length(packet)
	case 6:
		return ipv6Length(packet)
	}
	return 0, versionError(packet)
}

// dissect takes apart the whole of packet, whatever its IP length says.
func (d *datagram) dissect(packet []byte) error {
	switch version(packet) {
	case 4:
		return d.dissectIPv4(packet)
	case 6:
		return d.dissectIPv6(packet)
	}
	return versionError(packet)
}

// version returns the version of packet's IP header, 0 for an empty packet.
func version(packet []byte) uint8 {
	if len(packet) == 0 {
		return 0
	}
	return packet[0] >> 4
}

func versionError(packet []byte) error {
	if len(packet) == 0 {
		return errHeader
	}
	return errVersion
}

// ipv4 tells IPv4 from IPv6 once d.header is set.
func (d *datagram) ipv4() bool { return d.header[0]>>4 == 4 }

// skipExtension moves d past the extension header of n bytes that it stands
// before.
func (d *datagram) skipExtension(n int) {
	d.protocol, d.payload = d.payload[0], d.payload[n:]
}

// extensionLength returns the length of the extension header that d stands
// before.
func (d *datagram) extensionLength() (int, error) {
	if len(d.payload) < 8 {
		return 0, errExtension
	}
	n := 8 + 8*int(d.payload[1])
	switch d.protocol {
	case protoFragment:
		n = 8 // the byte is reserved, RFC 8200, section 4.5
	case protoAuthentication:
		n = 8 + 4*int(d.payload[1]) // RFC 4302, section 2.2
	}
	if n > len(d.payload) {
		return 0, errExtension
	}
	return n, nil
}
