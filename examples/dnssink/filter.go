package main

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/ipqueue/ipqueue/checksum"
	"github.com/ipqueue/ipqueue/queue"
)

const (
	protocolTCP = 6
	protocolUDP = 17
)

var (
	errFragment = errors.New("a fragment has a part of the message alone")
	errLength   = errors.New("the datagram is longer than its packet")
)

// decide gives a packet its verdict. The time that takes is bounded.
func (s *sink) decide(p queue.Packet) error {
	protocol, b := p.Transport()
	at := cap(p.Payload) - cap(b) // b is a part of Payload
	switch {
	case b == nil: // a later fragment say, which is of no use without the first
		return p.Accept()
	case protocol == protocolUDP:
		return s.decideUDP(p, b, at)
	case protocol == protocolTCP:
		return s.decideTCP(p, b, at)
	}
	return p.Accept()
}

// decideUDP decides about a datagram, which begins at that place of the packet.
func (s *sink) decideUDP(p queue.Packet, datagram []byte, at int) error {
	message, err := udpData(datagram)
	if isFragment(p.Payload, at) {
		err = errFragment
	}
	v := s.judge(message)
	if err != nil && v.finding != listed {
		v.finding, v.err = unreadable, err
	}
	switch {
	case v.finding == harmless:
		return p.Accept()
	case v.finding == unreadable:
		return s.decideUnreadable(p, v)
	}
	s.refused++
	s.tell(s.answer.String(), v, p)
	if v.reply == nil || err != nil { // a fragment is never made into a whole
		return p.Drop()
	}
	return replace(p, slices.Concat(p.Payload[:at+udpHeader], v.reply))
}

// udpHeader is the length of a UDP header.
const udpHeader = 8

// udpData returns what a datagram carries (RFC 768). Its own length counts: the IP
// packet may be longer, and the receiver does not look at the rest. A length of 0
// is for one that is too long for the field (RFC 2675).
func udpData(b []byte) ([]byte, error) {
	if len(b) < udpHeader {
		return nil, errLength
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	switch {
	case n == 0:
		n = len(b)
	case n > len(b):
		return b[udpHeader:], errLength
	case n < udpHeader:
		n = udpHeader // no receiver takes it
	}
	return b[udpHeader:n], nil
}

// isFragment reports whether an IP packet is a part of one. Its transport header
// begins at that place.
func isFragment(packet []byte, transport int) bool {
	if packet[0]>>4 == 4 {
		const moreAndOffset = 0x3fff
		return binary.BigEndian.Uint16(packet[6:])&moreAndOffset != 0
	}
	const header, authentication, fragment = 40, 51, 44
	next := packet[6]
	for at := header; at < transport; {
		unit := 8
		switch next {
		case fragment:
			const reserved = 3 << 1
			return binary.BigEndian.Uint16(packet[at+2:])&^reserved != 0
		case authentication:
			unit = 4
		}
		next, at = packet[at], at+8+unit*int(packet[at+1])
	}
	return false
}

func (s *sink) decideUnreadable(p queue.Packet, v verdict) error {
	s.unreadable++
	if s.lenient {
		return p.Accept()
	}
	s.tell(drop.String(), v, p)
	return p.Drop()
}

func (s *sink) decideTCP(p queue.Packet, b []byte, at int) error {
	switch {
	case isFragment(p.Payload, at):
		return s.decideUnreadable(p, verdict{err: errFragment})
	case tcpHeader(b) == 0:
		return s.decideUnreadable(p, verdict{err: errNoHeader})
	}
	out, v := s.judgeSegment(p.Flow(), b)
	switch v.finding {
	case listed:
		s.refused++
	case unreadable:
		s.unreadable++
	}
	switch out {
	case passes:
		return p.Accept()
	case waits:
		return p.Drop()
	}
	if v.finding != harmless { // else the connection was refused before
		s.tell(s.tcpWord(), v, p)
	}
	switch {
	case s.answer == drop:
		return p.Drop()
	case out == empties:
		return replace(p, emptied(p.Payload, at, flagACK))
	}
	return replace(p, emptied(p.Payload, at, flagRST|flagACK))
}

// tcpWord says what becomes of a connection: no answer can be put in place of one
// of another length.
func (s *sink) tcpWord() string {
	if s.answer == drop {
		return s.answer.String()
	}
	return "reset"
}

// emptied returns the packet whose TCP header is at that place, without data and
// with other flags.
func emptied(packet []byte, at int, flags byte) []byte {
	const flagsAt = 13
	b := slices.Clone(packet[:at+tcpHeader(packet[at:])])
	b[at+flagsAt] = flags
	return b
}

// replace drops a packet that cannot be replaced.
func replace(p queue.Packet, packet []byte) error {
	err := checksum.Resize(packet) // without it Replace takes a shorter packet for a cut one
	if err == nil {
		err = p.Replace(packet)
	}
	if err != nil && !errors.Is(err, queue.ErrDecided) {
		err = errors.Join(err, p.Drop())
	}
	return err
}
