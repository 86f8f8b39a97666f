package queuetest

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"

	"github.com/ipqueue/ipqueue/checksum"
)

// IP protocol numbers.
const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
)

// UDP returns a UDP packet with data from src to dst. src and dst are addresses
// with a port, for example "10.0.0.1:5353" or "[fd00::1]:5353", both IPv4 or both
// IPv6. UDP panics if they are not, or if data is too long for a packet.
//
// All functions that build packets set correct lengths and checksums and a TTL
// of 64. An IPv4 packet has the DF flag set and the id 0. The functions keep no
// reference to data, which may be nil.
func UDP(src, dst string, data []byte) Packet {
	from, to := parseAddrPort(src), parseAddrPort(dst)
	b := appendPorts(nil, from, to)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(data)))
	b = append(b, 0xff, 0xff) // 0 would mean that there is no checksum (RFC 768)
	return ip(from.Addr(), to.Addr(), protoUDP, append(b, data...))
}

// A TCPHeader contains the fields of a TCP header that differ between the
// segments of a connection.
type TCPHeader struct {
	Seq, Ack uint32
	Flags    TCPFlags
	// Window is the receive window, unscaled. 0 means 65535.
	Window uint16
	// Options are the options of the header: at most 40 bytes, and a multiple
	// of 4.
	Options []byte
}

// TCPFlags are the control bits of a TCP header (RFC 9293, section 3.1).
type TCPFlags uint8

// The flags. Combine them with |.
const (
	FIN TCPFlags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

// TCP returns a TCP segment with data from src to dst. The arguments and the
// result are otherwise as for UDP. TCP also panics if the length of the options is
// invalid.
func TCP(src, dst string, h TCPHeader, data []byte) Packet {
	from, to := parseAddrPort(src), parseAddrPort(dst)
	if n := len(h.Options); n%4 != 0 || n > 40 {
		panic(fmt.Sprintf("queuetest: TCP options of %d bytes: a header has room for 40, and needs a multiple of 4", n))
	}
	if h.Window == 0 {
		h.Window = math.MaxUint16
	}
	b := appendPorts(nil, from, to)
	b = binary.BigEndian.AppendUint32(b, h.Seq)
	b = binary.BigEndian.AppendUint32(b, h.Ack)
	b = append(b, byte(20+len(h.Options))/4<<4, byte(h.Flags))
	b = binary.BigEndian.AppendUint16(b, h.Window)
	b = append(b, 0, 0, 0, 0) // checksum, urgent pointer
	b = append(b, h.Options...)
	return ip(from.Addr(), to.Addr(), protoTCP, append(b, data...))
}

// EchoRequest returns an ICMP or ICMPv6 echo request (ping) from src to dst,
// which are addresses without ports. It is otherwise like UDP.
func EchoRequest(src, dst string, id, seq uint16, data []byte) Packet {
	return echo(8, 128, src, dst, id, seq, data)
}

// EchoReply returns the reply to an EchoRequest with the same id, seq and data.
// src is the host that replies, so src and dst are swapped. It is otherwise like
// UDP.
func EchoReply(src, dst string, id, seq uint16, data []byte) Packet {
	return echo(0, 129, src, dst, id, seq, data)
}

// echo uses type4 for ICMP (RFC 792) and type6 for ICMPv6 (RFC 4443).
func echo(type4, type6 byte, src, dst string, id, seq uint16, data []byte) Packet {
	from, to := parseAddr(src), parseAddr(dst)
	protocol, kind := uint8(protoICMP), type4
	if from.Is6() {
		protocol, kind = protoICMPv6, type6
	}
	b := []byte{kind, 0, 0, 0}
	b = binary.BigEndian.AppendUint16(b, id)
	b = binary.BigEndian.AppendUint16(b, seq)
	return ip(from, to, protocol, append(b, data...))
}

// IP returns a packet of any protocol. body is everything after the IP header.
// src and dst are addresses without ports. IP sets the checksum in body if package
// checksum supports the protocol. It is otherwise like UDP.
func IP(src, dst string, protocol uint8, body []byte) Packet {
	return ip(parseAddr(src), parseAddr(dst), protocol, body)
}

func ip(src, dst netip.Addr, protocol uint8, body []byte) Packet {
	if src.Is4() != dst.Is4() {
		panic(fmt.Sprintf("queuetest: a packet from %v to %v: both must be IPv4, or both IPv6", src, dst))
	}
	header := appendIPv4
	if src.Is6() {
		header = appendIPv6
	}
	b := append(header(nil, src, dst, protocol, len(body)), body...)
	if len(b) > math.MaxUint16 {
		panic(fmt.Sprintf("queuetest: a packet of %d bytes: IP allows 65535", len(b)))
	}
	_ = checksum.Fix(b) // an error means that body has no checksum that Fix supports
	return Packet{Payload: b}
}

const hopLimit = 64

func appendIPv4(b []byte, src, dst netip.Addr, protocol uint8, n int) []byte {
	b = append(b, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(20+n))
	b = append(b, 0, 0, 0x40, 0, hopLimit, protocol, 0, 0)
	return append(append(b, src.AsSlice()...), dst.AsSlice()...)
}

func appendIPv6(b []byte, src, dst netip.Addr, protocol uint8, n int) []byte {
	b = append(b, 0x60, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(n))
	b = append(b, protocol, hopLimit)
	return append(append(b, src.AsSlice()...), dst.AsSlice()...)
}

func appendPorts(b []byte, src, dst netip.AddrPort) []byte {
	b = binary.BigEndian.AppendUint16(b, src.Port())
	return binary.BigEndian.AppendUint16(b, dst.Port())
}

func parseAddrPort(s string) netip.AddrPort {
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		panic(fmt.Sprintf("queuetest: %q is not an address with a port, such as 10.0.0.1:53 or [fd00::1]:53", s))
	}
	return a
}

func parseAddr(s string) netip.Addr {
	a, err := netip.ParseAddr(s)
	if err != nil {
		panic(fmt.Sprintf("queuetest: %q is not an address without a port, such as 10.0.0.1 or fd00::1", s))
	}
	return a
}
