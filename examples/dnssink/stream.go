package main

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/ipqueue/ipqueue/queue"
)

// maxStreams is the number of connections to follow. Beyond that, the one that
// has been silent for the longest time is forgotten, and what it sends later is
// unreadable. A stream takes at most 96 KiB: a message and twice remembered.
const maxStreams = 1024

// remembered is the number of bytes before the incomplete message that a stream
// keeps, to compare them with retransmissions.
const remembered = 16 << 10

// A streams contains one direction of each connection that carries DNS
// messages.
type streams struct {
	all   map[queue.Flow]*stream
	clock uint64
}

// A stream is the data that one end of a connection has sent.
type stream struct {
	first   uint32 // sequence number of the first byte
	next    uint32 // sequence number of the next byte
	data    []byte // the remembered bytes before next
	message int    // position in data of the incomplete message, including its length
	refused bool
	again   bool // the last segment of the refused stream was emptied, not replaced by a reset
	used    uint64
}

var (
	errUnknown  = errors.New("the connection began before this program did")
	errChanged  = errors.New("a segment was sent again with other bytes")
	errUrgent   = errors.New("a segment has urgent data")
	errNoHeader = errors.New("a segment ends inside its header")
)

// A segment contains the parts of a TCP segment that matter (RFC 9293, section
// 3.1).
type segment struct {
	sequence uint32 // sequence number of the first byte of data
	flags    byte
	data     []byte
}

const (
	flagFIN = 1 << 0
	flagSYN = 1 << 1
	flagRST = 1 << 2
	flagACK = 1 << 4
	flagURG = 1 << 5
)

// parseSegment parses a segment with a complete header.
func parseSegment(b []byte) segment {
	s := segment{binary.BigEndian.Uint32(b[4:]), b[13], b[tcpHeader(b):]}
	if s.flags&flagSYN != 0 { // the SYN itself has a sequence number
		s.sequence++
	}
	return s
}

// tcpHeader returns the length of the header, or 0 if it is incomplete.
func tcpHeader(b []byte) int {
	const least = 20
	if len(b) < least {
		return 0
	}
	header := int(b[12]>>4) * 4
	if header < least || header > len(b) {
		return 0
	}
	return header
}

// An outcome is what happens to a segment.
type outcome uint8

const (
	passes  outcome = iota
	waits           // dropped because it is out of order: the sender sends it again
	fails           // refused, with all later segments
	empties         // belongs to a refused stream: only its header passes
)

// judgeSegment decides a segment of a connection. b is the segment, with a
// complete header. If a message is split over several segments, the first ones
// pass: the receiver can use the message only when the last segment arrives,
// and that one is refused. The verdict is about the first message that is not
// harmless.
//
// The receiver may ignore a segment, for example because its checksum is wrong.
// If it later accepts another one, that one differs from the remembered data,
// and is refused.
func (s *sink) judgeSegment(f queue.Flow, b []byte) (outcome, verdict) {
	seg := parseSegment(b)
	if seg.flags&flagSYN != 0 {
		s.streams.open(f, seg.sequence)
	}
	c := s.streams.find(f)
	switch {
	case len(seg.data) == 0:
		return passes, verdict{}
	case c == nil && s.lenient:
		return passes, verdict{finding: unreadable, err: errUnknown}
	case c == nil:
		return fails, s.streams.open(f, seg.sequence).refuse(errUnknown)
	case c.refused:
		return c.refuseAgain(), verdict{}
	case seg.flags&flagURG != 0: // the receiver removes a byte from the stream
		return fails, c.refuse(errUrgent)
	}
	behind := c.next - seg.sequence
	if behind >= 1<<31 { // earlier data is missing
		return waits, verdict{}
	}
	fresh, known, same := c.compare(int(behind), seg.data)
	switch {
	case !known, !same && len(seg.data) == 1: // one byte may be a keep-alive (RFC 9293, section 3.8.4)
		return waits, verdict{}
	case !same:
		return fails, c.refuse(errChanged)
	}
	c.add(fresh)
	passed := verdict{}
	for {
		message, found := c.take()
		if !found {
			return passes, passed
		}
		switch v := s.judge(message); {
		case v.finding == harmless:
		case v.finding == unreadable && s.lenient:
			passed = v
		default:
			c.forget()
			return fails, v
		}
	}
}

func (c *stream) refuse(err error) verdict {
	c.forget()
	return verdict{finding: unreadable, err: err}
}

// refuseAgain alternates between two outcomes. The first reset may have been
// lost, so it must be sent again. Once the receiver has accepted a reset, an
// empty segment makes it answer with a reset of its own, so that the sender
// gives up as well.
func (c *stream) refuseAgain() outcome {
	c.again = !c.again
	if c.again {
		return empties
	}
	return fails
}

// forget marks the stream as refused and frees its data.
func (c *stream) forget() { c.refused, c.data, c.message = true, nil, 0 }

// compare compares b, which starts that many bytes before next, with the
// remembered data. It returns the part of b that is new, whether enough is
// remembered to compare the rest, and whether the rest is the same.
func (c *stream) compare(behind int, b []byte) (fresh []byte, known, same bool) {
	again := b[:min(behind, len(b))]
	at := len(c.data) - behind
	if at < 0 {
		return nil, len(again) == 0, true
	}
	return b[len(again):], true, bytes.Equal(again, c.data[at:at+len(again)])
}

// add appends new data, and drops old data.
func (c *stream) add(b []byte) {
	c.next += uint32(len(b))
	if old := c.message - remembered; old > remembered {
		c.data = append([]byte(nil), c.data[old:]...)
		c.message -= old
	}
	c.data = append(c.data, b...)
}

// take returns the next complete message (RFC 1035, section 4.2.2).
func (c *stream) take() ([]byte, bool) {
	b := c.data[c.message:]
	if len(b) < 2 {
		return nil, false
	}
	end := 2 + int(binary.BigEndian.Uint16(b))
	if len(b) < end {
		return nil, false
	}
	c.message += end
	return b[2:end], true
}

// open starts a stream, or returns the present one if the SYN is a
// retransmission.
func (s *streams) open(f queue.Flow, first uint32) *stream {
	if c := s.all[f]; c != nil && c.first == first {
		return c
	}
	if s.all == nil {
		s.all = make(map[queue.Flow]*stream)
	}
	if len(s.all) >= maxStreams {
		s.forget()
	}
	c := &stream{first: first, next: first, used: s.clock}
	s.all[f] = c
	return c
}

func (s *streams) find(f queue.Flow) *stream {
	c := s.all[f]
	if c != nil {
		s.clock++
		c.used = s.clock
	}
	return c
}

// forget removes the stream that has been silent for the longest time.
func (s *streams) forget() {
	var oldest queue.Flow
	used := ^uint64(0)
	for f, c := range s.all {
		if c.used < used {
			oldest, used = f, c.used
		}
	}
	delete(s.all, oldest)
}
