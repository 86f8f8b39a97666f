package quic

import (
	"encoding/binary"
	"errors"
)

// A Version is what the second to fifth byte of a long header contain.
type Version uint32

// The versions of RFC 9000 and RFC 9369.
const (
	V1 Version = 1
	V2 Version = 0x6b3343cf
)

// A Kind is the type of a packet with a long header.
type Kind uint8

// The kinds of version 1; version 2 numbers them otherwise.
const (
	Initial Kind = iota
	ZeroRTT
	Handshake
	Retry
)

// A Packet is one packet with a long header. Its slices are parts of the
// datagram.
type Packet struct {
	Version     Version
	Kind        Kind
	Destination []byte // connection ID
	Source      []byte // connection ID
	Token       []byte // of an Initial packet, from the server

	// protected is the packet as it was sent, from its first byte. The packet
	// number begins at the byte number.
	protected []byte
	number    int
}

var (
	// ErrVersion reports a long header of another version, or of something that
	// is not QUIC.
	ErrVersion = errors.New("unknown version")
	// ErrMalformed reports a packet that no receiver takes.
	ErrMalformed = errors.New("malformed packet")
)

// longest is the length of the longest connection ID (RFC 9000, section 17.2).
const longest = 20

// Next returns the first packet of a datagram and what follows it. A packet
// with a short header is always the last one and carries no ClientHello, so ok
// is false there and at the end of the datagram.
func Next(datagram []byte) (p Packet, rest []byte, ok bool, err error) {
	const long = 1 << 7
	if len(datagram) == 0 || datagram[0]&long == 0 {
		return p, nil, false, nil
	}
	r := reader{b: datagram}
	first := r.bytes(1)
	version := r.bytes(4)
	if r.failed {
		return p, nil, false, ErrMalformed
	}
	p.Version = Version(binary.BigEndian.Uint32(version))
	if p.Kind, ok = p.Version.kind(first[0]); !ok {
		return p, nil, false, ErrVersion
	}
	p.Destination = r.connection()
	p.Source = r.connection()
	if p.Kind == Retry { // which takes up the rest of the datagram
		if r.failed {
			return p, nil, false, ErrMalformed
		}
		return p, nil, true, nil
	}
	if p.Kind == Initial {
		p.Token = r.bytes(r.varint())
	}
	length := r.varint()
	p.number = r.at
	r.bytes(length)
	if r.failed {
		return p, nil, false, ErrMalformed
	}
	p.protected = datagram[:r.at]
	return p, datagram[r.at:], true, nil
}

// kind returns the packet type that a first byte contains. It is not ok if the
// version is unknown.
func (v Version) kind(first byte) (k Kind, ok bool) {
	bits := Kind(first >> 4 & 3)
	switch v {
	case V1:
		return bits, true
	case V2: // RFC 9369, section 3.2
		return (bits + 3) % 4, true
	}
	return 0, false
}

// A reader takes a packet's fields one after the other. It fails when the
// packet ends before a field does.
type reader struct {
	b      []byte
	at     int
	failed bool
}

func (r *reader) bytes(n uint64) []byte {
	if r.failed || n > uint64(len(r.b)-r.at) {
		r.failed = true
		return nil
	}
	field := r.b[r.at : r.at+int(n)]
	r.at += int(n)
	return field
}

// varint reads a variable-length integer (RFC 9000, section 16).
func (r *reader) varint() uint64 {
	if r.failed || r.at == len(r.b) {
		r.failed = true
		return 0
	}
	field := r.bytes(1 << (r.b[r.at] >> 6))
	if r.failed {
		return 0
	}
	n := uint64(field[0] & 0x3f)
	for _, c := range field[1:] {
		n = n<<8 | uint64(c)
	}
	return n
}

// connection reads a connection ID.
func (r *reader) connection() []byte {
	length := r.bytes(1)
	if r.failed || length[0] > longest {
		r.failed = true
		return nil
	}
	return r.bytes(uint64(length[0]))
}
