package main

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/ipqueue/ipqueue/queue"
)

// maxStreams bounds the connections that are followed. The one that has been quiet
// for longest is forgotten first, and what it sends later is unreadable. A stream
// takes at most 96 KiB: a message and twice what is remembered.
const maxStreams = 1024

// remembered is how many bytes a stream keeps behind the message that is still
// incomplete, to compare what is sent again.
const remembered = 16 << 10

// Streams are the connections by which DNS messages come: a direction of each.
type streams struct {
	all   map[queue.Flow]*stream
	clock uint64
}

// A stream is what one end of a connection has sent.
type stream struct {
	first   uint32 // sequence number of the first byte
	next    uint32 // sequence number of the byte to come
	data    []byte // the bytes before next, as far as they are remembered
	message int    // where in data the incomplete message begins, with its length
	refused bool
	again   bool // a segment of the refused stream was emptied last, not made a reset
	used    uint64
}

var (
	errUnknown  = errors.New("the connection began before this program did")
	errChanged  = errors.New("a segment was sent again with other bytes")
	errUrgent   = errors.New("a segment has urgent data")
	errNoHeader = errors.New("a segment ends inside its header")
)

// A segment is what matters of a TCP segment (RFC 9293, section 3.1).
type segment struct {
	sequence uint32 // of the first byte of data
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

// parseSegment reads a segment whose header is whole.
func parseSegment(b []byte) segment {
	s := segment{binary.BigEndian.Uint32(b[4:]), b[13], b[tcpHeader(b):]}
	if s.flags&flagSYN != 0 { // which takes a sequence number
		s.sequence++
	}
	return s
}

// tcpHeader returns the length of the header, 0 if it is not whole.
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

// An outcome is what becomes of a segment.
type outcome uint8

const (
	passes  outcome = iota
	waits           // it comes before its turn: the sender will send it again
	fails           // it and all after it are refused
	empties         // it was refused before: its header alone may go on
)

// judgeSegment follows a connection. b is a segment whose header is whole. Nothing is held back while a message comes in
// parts: its receiver can do nothing with it before the last part arrives, and
// that is the one which is refused. The verdict is about the first message that
// is not harmless.
//
// A segment may be one that the receiver does not take, with a wrong checksum for
// example. Then the one that it takes differs from what is remembered.
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
	case seg.flags&flagURG != 0: // the receiver takes a byte out
		return fails, c.refuse(errUrgent)
	}
	behind := c.next - seg.sequence
	if behind >= 1<<31 { // it is ahead
		return waits, verdict{}
	}
	fresh, known, same := c.compare(int(behind), seg.data)
	switch {
	case !known, !same && len(seg.data) == 1: // the latter may keep the connection alive (RFC 9293, section 3.8.4)
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

// refuseAgain takes turns. The reset may have been lost; but once the receiver has
// taken it, an empty segment makes it answer with a reset of its own, so that the
// sender gives up as well.
func (c *stream) refuseAgain() outcome {
	c.again = !c.again
	if c.again {
		return empties
	}
	return fails
}

// forget leaves nothing but that the stream is refused.
func (c *stream) forget() { c.refused, c.data, c.message = true, nil, 0 }

// compare compares what begins that many bytes before the next one with what is
// remembered, and returns what is new of it. It is known if enough is remembered.
func (c *stream) compare(behind int, b []byte) (fresh []byte, known, same bool) {
	again := b[:min(behind, len(b))]
	at := len(c.data) - behind
	if at < 0 {
		return nil, len(again) == 0, true
	}
	return b[len(again):], true, bytes.Equal(again, c.data[at:at+len(again)])
}

// add appends what is new, and forgets what has become old.
func (c *stream) add(b []byte) {
	c.next += uint32(len(b))
	if old := c.message - remembered; old > remembered {
		c.data = append([]byte(nil), c.data[old:]...)
		c.message -= old
	}
	c.data = append(c.data, b...)
}

// take returns the next whole message (RFC 1035, section 4.2.2).
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

// open begins a stream, unless it is a SYN that is sent again.
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

// forget removes the stream that has been quiet for longest.
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
