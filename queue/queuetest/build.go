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

// UDP returns a UDP packet that carries data from src to dst, both an IPv4 or
// both an IPv6 address with a port, "10.0.0.1:5353" or "[fd00::1]:5353". It
// panics if they are not, or if data is too long for a packet.
//
// Like every packet of this package's functions it has correct lengths and
// checksums, a TTL of 64, and, if IPv4, DF set and the id 0. It keeps no
// reference to data, which may be nil.
func UDP(src, dst string, data []byte) Packet {
	from, to := parseAddrPort(src), parseAddrPort(dst)
	b := appendPorts(nil, from, to)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(data)))
	b = append(b, 0xff, 0xff) // 0 would mean that there is no checksum (RFC 768)
	return ip(from.Addr(), to.Addr(), protoUDP, append(b, data...))
}

// A TCPHeader is what distinguishes one segment of a TCP connection from
// another.
type TCPHeader struct {
	Seq, Ack uint32
	Flags    TCPFlags
	// Window is the receive window as it is in the header. 0 means 65535.
	Window uint16
	// Options are the header's options, a multiple of 4 bytes and at most 40.
	Options []byte
}

// TCPFlags are the control bits of a TCP header (RFC 9293, section 3.1).
type TCPFlags uint8

// The flags, to be combined with |.
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

// TCP returns a TCP segment that carries data from src to dst. See UDP for the
// rest. It panics if the options have an impossible length, too.
func TCP(src, dst string, h TCPHeader, data []byte) Packet {
	from, to := parseAddrPort(src), parseAddrPort(dst)
	if n := len(h.Options); n%4 != 0 || n > 40 {
		panic(fmt.Sprintf("queuetest: TCP options of %d bytes", n))
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

// EchoRequest returns an ICMP or ICMPv6 echo request ("ping") from src to dst,
// which are addresses without ports. See UDP for the rest.
func EchoRequest(src, dst string, id, seq uint16, data []byte) Packet {
	return echo(8, 128, src, dst, id, seq, data)
}

// EchoReply returns the answer to an EchoRequest of the same id, seq and data;
// src is who answers. See UDP for the rest.
func EchoReply(src, dst string, id, seq uint16, data []byte) Packet {
	return echo(0, 129, src, dst, id, seq, data)
}

// echo has the type of RFC 792 or of RFC 4443.
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

// IP returns a packet of any protocol: body is what follows the IP header. src
// and dst are addresses without ports. A checksum in body is made right if
// package checksum knows the protocol. See UDP for the rest.
func IP(src, dst string, protocol uint8, body []byte) Packet {
	return ip(parseAddr(src), parseAddr(dst), protocol, body)
}

func ip(src, dst netip.Addr, protocol uint8, body []byte) Packet {
	if src.Is4() != dst.Is4() {
		panic(fmt.Sprintf("queuetest: a packet from %v to %v", src, dst))
	}
	header := appendIPv4
	if src.Is6() {
		header = appendIPv6
	}
	b := append(header(nil, src, dst, protocol, len(body)), body...)
	if len(b) > math.MaxUint16 {
		panic(fmt.Sprintf("queuetest: a packet of %d bytes", len(b)))
	}
	_ = checksum.Fix(b) // what it leaves alone is meant to be as it is
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
		panic("queuetest: " + err.Error())
	}
	return a
}

func parseAddr(s string) netip.Addr {
	a, err := netip.ParseAddr(s)
	if err != nil {
		panic("queuetest: " + err.Error())
	}
	return a
}
