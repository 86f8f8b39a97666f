package main

import "encoding/binary"

// A segment is what matters of a TCP segment.
type segment struct {
	sequence uint32 // of the first byte of data
	ack      uint32
	syn, rst bool
	hops     uint8
	time     uint32 // of the sender's clock
	timed    bool   // there is a time
	// multipath reports that a SYN asked for Multipath TCP, before the option
	// was overwritten.
	multipath bool
	data      []byte
}

const flagFIN, flagSYN, flagRST, flagACK, flagURG = 1 << 0, 1 << 1, 1 << 2, 1 << 4, 1 << 5

// parseSegment overwrites the option of a SYN that asks for Multipath TCP, whose
// connections put data together in an order of their own. It is not ok if a server need not take the segment: RFC 9293,
// sections 3.1 and 3.10.7. That includes urgent data, which some servers take
// out of the stream.
func parseSegment(v packet) (s segment, ok bool) {
	const least = 20
	b := v.transport
	if len(b) < least {
		return s, false
	}
	header := int(b[12]>>4) * 4
	if header < least || header > len(b) {
		return s, false
	}
	flags := b[13]
	s = segment{
		sequence: binary.BigEndian.Uint32(b[4:]),
		ack:      binary.BigEndian.Uint32(b[8:]),
		syn:      flags&flagSYN != 0,
		rst:      flags&flagRST != 0,
		hops:     v.hops,
		data:     b[header:],
	}
	switch {
	case s.syn:
		s.sequence++ // a SYN takes a sequence number
		ok = flags&(flagACK|flagRST|flagFIN|flagURG) == 0
	case s.rst:
		ok = true
	default:
		ok = flags&flagACK != 0 && flags&flagURG == 0
	}
	return s, s.readOptions(b[least:header]) && ok
}

// readOptions reports whether the options of a segment are such that every
// server takes it. One without the key for a signature (TCP MD5, TCP-AO) may
// drop the segment, and so may one that meets an impossible length.
func (s *segment) readOptions(b []byte) bool {
	const end, nop, timestamps, md5, ao, multipath = 0, 1, 8, 19, 29, 30
	for len(b) > 0 && b[0] != end {
		if b[0] == nop {
			b = b[1:]
			continue
		}
		if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
			return false
		}
		switch length := b[1]; b[0] {
		case timestamps:
			if length != 10 {
				return false
			}
			s.time, s.timed = binary.BigEndian.Uint32(b[2:]), true
		case md5, ao:
			return false
		case multipath:
			if s.syn {
				s.multipath = true
				for i := range b[:length] {
					b[i] = nop
				}
				continue
			}
		}
		b = b[b[1]:]
	}
	return true
}
