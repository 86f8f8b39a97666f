package main

import (
	"encoding/binary"
	"time"

	"github.com/ipqueue/ipqueue/examples/dnssink/names"
	"github.com/ipqueue/ipqueue/queue"
)

// A decision is about one TCP segment.
type decision uint8

const (
	pass   decision = iota // it may go on
	settle                 // it and the rest of its connection may go on
	refuse                 // it must not arrive
)

// A filter refuses connections to the names of a list. Nothing is held back
// while a ClientHello comes in parts: the server can do nothing with it before
// the last part arrives, and that is the one which is refused.
type filter struct {
	names names.Set
	table *table
}

// judge decides a segment from the client. The name is that of the server, when
// its connection begins to be refused.
func (f *filter) judge(flow queue.Flow, b []byte, now time.Time) (d decision, name string) {
	const tcp = 6
	s, ok := parseSegment(b)
	if !ok || flow.Protocol != tcp {
		return pass, ""
	}
	if s.syn {
		f.table.open(flow, s.sequence, now)
	}
	c := f.table.find(flow, now)
	switch {
	case c == nil: // it began before the program did, or has been settled
		return settle, ""
	case len(s.data) == 0: // of no use to the server, unless it ends the connection
		return pass, ""
	case c.refused || !c.stream.add(s.sequence, s.data):
		return refuse, ""
	}
	return f.conclude(c)
}

// conclude decides what the stream so far says.
func (f *filter) conclude(c *connection) (d decision, name string) {
	name, found := serverName(c.stream.beginning())
	switch {
	case found == named && f.names.Has(name):
		c.refused, c.stream = true, stream{first: c.stream.first}
		return refuse, name
	case found == partial && !c.stream.full():
		return pass, ""
	}
	f.table.forget(c.flow)
	return settle, ""
}

// A segment is what matters of a TCP segment.
type segment struct {
	sequence uint32 // of the first byte of data
	syn      bool
	data     []byte
}

// parseSegment is not ok if b ends before the header does (RFC 9293, section
// 3.1).
func parseSegment(b []byte) (s segment, ok bool) {
	const least = 20
	if len(b) < least {
		return s, false
	}
	header := int(b[12]>>4) * 4
	if header < least || header > len(b) {
		return s, false
	}
	const flagSYN = 1 << 1
	s = segment{binary.BigEndian.Uint32(b[4:]), b[13]&flagSYN != 0, b[header:]}
	if s.syn { // which takes a sequence number
		s.sequence++
	}
	return s, true
}
