package checksum

import (
	"encoding/binary"

	"github.com/ipqueue/ipqueue/internal/ip"
)

// Protocol numbers of IPv4's protocol and IPv6's next header field.
const (
	protoICMP         = 1
	protoIGMP         = 2
	protoTCP          = 6
	protoUDP          = 17
	protoDCCP         = 33
	protoESP          = 50
	protoICMPv6       = 58
	protoNoNextHeader = 59
	protoSCTP         = 132
	protoUDPLite      = 136
)

// A datagram is an IP packet whose headers have been parsed.
type datagram struct {
	ip.Headers
	packet    []byte
	transport transport
}

// parse parses the headers of packet up to the end that its IP length gives,
// and finds the checksum of its transport. If it returns an ErrLeftAlone, the
// IP header is valid.
func (d *datagram) parse(packet []byte) error {
	n, fault := ip.Length(packet)
	if fault != ip.NoFault {
		return faults[fault]
	}
	if n > len(packet) {
		return errLength
	}
	if err := d.dissect(packet[:n]); err != nil {
		return err
	}
	return d.findChecksum()
}

// dissect parses the headers of packet. It ignores the IP length.
func (d *datagram) dissect(packet []byte) error {
	d.packet = packet
	d.Parse(packet)
	switch {
	case d.Fault != ip.NoFault:
		return faults[d.Fault]
	case d.Fragment:
		return errFragment
	}
	return nil
}

// header returns the IPv4 header with its options.
func (d *datagram) header() []byte { return d.packet[:d.Length] }

// payload returns the transport's header and data.
func (d *datagram) payload() []byte { return d.packet[d.Transport:] }

func (d *datagram) ipv4() bool { return d.Version == 4 }

// addresses returns the partial sum of the addresses in the pseudo-header.
func (d *datagram) addresses() uint64 {
	source := d.Source(d.packet)
	if d.ipv4() {
		return uint64(binary.BigEndian.Uint32(source)) + uint64(binary.BigEndian.Uint32(d.Destination4(d.packet)))
	}
	destination := d.Destination6(d.packet)
	return ipv6Address(source) + ipv6Address(destination[:])
}

// ipv6Address returns the partial sum of the 16 bytes at the start of b.
func ipv6Address(b []byte) uint64 {
	return swap(add16(0, b))
}
