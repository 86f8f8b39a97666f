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

// decide gives a packet its verdict. The time that it takes is bounded.
func (s *sink) decide(p queue.Packet) error {
	protocol, b := p.Transport()
	at := cap(p.Payload) - cap(b) // b is a part of Payload
	switch {
	case b == nil: // for example a later fragment, which is useless without the first
		return p.Accept()
	case protocol == protocolUDP:
		return s.decideUDP(p, b, at)
	case protocol == protocolTCP:
		return s.decideTCP(p, b, at)
	}
	return p.Accept()
}

// decideUDP decides a packet with a UDP datagram, which starts at offset at.
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
	if v.reply == nil || err != nil { // the reply to a fragment would be a whole datagram
		return p.Drop()
	}
	return orDrop(p, p.ReplaceData(v.reply))
}

// isCut reports whether a datagram is longer than its packet according to its
// length (RFC 768).
func isCut(datagram []byte) bool {
	const header = 8
	return len(datagram) < header || int(binary.BigEndian.Uint16(datagram[4:])) > len(datagram)
}

// isFragment reports whether packet is a fragment. transport is the offset of
// its transport header.
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
	if v.finding != harmless { // otherwise the connection was already refused
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

// tcpWord returns what happens to a refused connection. It cannot get an answer
// of another length.
func (s *sink) tcpWord() string {
	if s.answer == drop {
		return s.answer.String()
	}
	return "reset"
}

// emptied returns the packet without data and with other flags. at is the
// offset of its TCP header.
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
