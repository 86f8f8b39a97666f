package main

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/ipqueue/ipqueue/queue"
)

const (
	protocolTCP = 6
	protocolUDP = 17
)

var (
	errFragment = errors.New("a fragment contains only a part of the message")
	errLength   = errors.New("the datagram is longer than its packet")
)

// decide gives a packet its verdict. The time that takes is bounded.
func (s *sink) decide(p queue.Packet) error {
	protocol, b := p.Transport()
	at := cap(p.Payload) - cap(b) // b is a part of Payload
	switch {
	case b == nil: // a later fragment, for example: it is of no use without the first
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
	v := s.judge(p.Data())
	var err error
	switch {
	case isFragment(p.Payload, at):
		err = errFragment
	case isCut(datagram):
		err = errLength
	}
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
	return orDrop(p, p.ReplaceData(v.reply))
}

// isCut reports whether a datagram is longer than its packet (RFC 768).
func isCut(datagram []byte) bool {
	const header = 8
	return len(datagram) < header || int(binary.BigEndian.Uint16(datagram[4:])) > len(datagram)
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
	for at := header; at+8 <= transport; {
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
		return orDrop(p, p.Replace(emptied(p.Payload, at, flagACK)))
	}
	return orDrop(p, p.Replace(emptied(p.Payload, at, flagRST|flagACK)))
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

// orDrop drops a packet that could not be replaced.
func orDrop(p queue.Packet, err error) error {
	if err != nil && !errors.Is(err, queue.ErrDecided) {
		err = errors.Join(err, p.Drop())
	}
	return err
}
