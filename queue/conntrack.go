package queue

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ipqueue/ipqueue/internal/ledger"
	"github.com/ipqueue/ipqueue/wire"
)

// A Conntrack is the connection tracking entry of a packet, as it was when the
// packet was queued, and how the packet stands to it.
type Conntrack struct {
	// State is how the packet stands to the connection. InReply reports that it
	// goes the way of Reply, not that of Original.
	State   CTState
	InReply bool

	// Original is the connection as its first packet had it, Reply what packets
	// of the other direction have. They differ in more than direction where
	// addresses are translated.
	Original, Reply CTTuple

	Status CTStatus

	// Mark is the connection's mark, which is not the packet's.
	Mark uint32

	// ID distinguishes entries that follow each other with the same tuples.
	ID uint32

	// Timeout is for how long the entry lives on without another packet, in
	// whole seconds. An entry that is not CTConfirmed yet has the timeout it will
	// begin with; before Linux 6.4 its Timeout has no meaning.
	Timeout time.Duration

	// Zone is the zone of both directions (Linux 2.6.34).
	Zone uint16

	Labels CTLabels // Linux 3.9

	// Helper is the name of the helper that reads the connection, ftp say.
	Helper string
}

// A CTTuple is one direction of a connection.
type CTTuple struct {
	Flow

	// Of ICMP and ICMPv6.
	ICMPType, ICMPCode uint8
	ICMPID             uint16

	// Zone is the zone of this direction alone (Linux 4.3).
	Zone uint16
}

// A CTState is how a packet stands to its connection, as in the rules' ct state.
// The zero value means that the kernel did not report it.
type CTState uint8

// The states of a packet in its connection.
const (
	CTNew         CTState = iota + 1 // of a connection that has seen one direction only
	CTEstablished                    // of one that has seen both
	CTRelated                        // the start of one that belongs to another, or an ICMP error
)

// String returns "new", "established" or "related".
func (s CTState) String() string {
	return name(int(s), "unknown", "new", "established", "related")
}

// ctStates are the states that go with the kernel's numbers for packets of the
// original direction; those of the reply follow (enum ip_conntrack_info).
var ctStates = [...]CTState{wire.CTEstablished: CTEstablished, wire.CTRelated: CTRelated, wire.CTNew: CTNew}

// ctState translates the relation of a packet to its connection.
func ctState(i wire.CTInfo) (s CTState, reply bool) {
	if int(i) >= 2*len(ctStates) {
		return 0, false
	}
	return ctStates[int(i)%len(ctStates)], int(i) >= len(ctStates)
}

// CTStatus is a set of facts about a connection, as in the rules' ct status.
type CTStatus uint32

// The bits of CTStatus.
const (
	CTExpected     = CTStatus(wire.CTExpected)     // belongs to another connection, whose helper foresaw it
	CTSeenReply    = CTStatus(wire.CTSeenReply)    // has seen both directions
	CTAssured      = CTStatus(wire.CTAssured)      // is not ended early when the table is full
	CTConfirmed    = CTStatus(wire.CTConfirmed)    // is in the table: its first packet has left
	CTSrcNAT       = CTStatus(wire.CTSrcNAT)       // needs source addresses translated
	CTDstNAT       = CTStatus(wire.CTDstNAT)       // needs destination addresses translated
	CTSeqAdjust    = CTStatus(wire.CTSeqAdjust)    // needs TCP sequence numbers adjusted
	CTSrcNATDone   = CTStatus(wire.CTSrcNATDone)   // source translation was decided
	CTDstNATDone   = CTStatus(wire.CTDstNATDone)   // destination translation was decided
	CTDying        = CTStatus(wire.CTDying)        // is about to be freed
	CTFixedTimeout = CTStatus(wire.CTFixedTimeout) // packets do not prolong the timeout
	CTTemplate     = CTStatus(wire.CTTemplate)     // is a template, not a connection
	CTUntracked    = CTStatus(wire.CTUntracked)    // is not tracked (before Linux 4.12)
	CTHelper       = CTStatus(wire.CTHelper)       // got its helper from a rule (Linux 3.5)
	CTOffload      = CTStatus(wire.CTOffload)      // is in a flow table (Linux 4.16)
	CTHWOffload    = CTStatus(wire.CTHWOffload)    // is in hardware (Linux 5.7)
)

// String returns the names of the bits joined by "|", or "0" if there are none.
func (s CTStatus) String() string { return wire.CTStatus(s).String() }

// CTLabels are the 128 labels of a connection, each set or not, as in the rules'
// ct label: label n is bit n%64 of word n/64.
type CTLabels [2]uint64

// CTLabelsOf returns the set of those labels. It panics if one is not from 0 to
// 127.
func CTLabelsOf(labels ...int) (l CTLabels) {
	for _, n := range labels {
		l.Set(n)
	}
	return l
}

// CTLabelsFromBytes returns the labels in the 16 bytes of an attribute CTA_LABELS,
// which are an array of unsigned long in the kernel's memory. Other libraries
// hand labels over in this form.
func CTLabelsFromBytes(b [16]byte) CTLabels { return CTLabels(wire.ParseCTLabels(b[:])) }

// Bytes returns the labels in the form that CTLabelsFromBytes takes.
func (l CTLabels) Bytes() (b [16]byte) {
	wire.CTLabels(l).Append(b[:0])
	return b
}

// Set sets label n. It panics if n is not from 0 to 127.
func (l *CTLabels) Set(n int) {
	if n < 0 || n >= 128 {
		panic(fmt.Sprintf("queue: connection label %d is not from 0 to 127", n))
	}
	l[n/64] |= 1 << (n % 64)
}

// Has reports whether label n is set.
func (l CTLabels) Has(n int) bool { return n >= 0 && n < 128 && l[n/64]>>(n%64)&1 != 0 }

// String lists the numbers of the labels that are set, as in "0,63".
func (l CTLabels) String() string {
	var set []string
	for n := range 128 {
		if l.Has(n) {
			set = append(set, strconv.Itoa(n))
		}
	}
	return strings.Join(set, ",")
}

// conntrackIn returns the entry of the packet in a slot, as it came, nil if there
// is none.
func conntrackIn(s *ledger.Slot) []byte {
	if a, ok := s.Memo.(*aside); ok {
		return a.conntrack
	}
	return nil
}

func tupleOf(t *wire.CTTuple) CTTuple {
	return CTTuple{Flow{t.Protocol, t.Source, t.Destination}, t.ICMPType, t.ICMPCode, t.ICMPID, t.Zone}
}

// String shows the tuple as in ICMP 192.0.2.1 > 192.0.2.2 type 8 code 0 id 5.
func (t CTTuple) String() string {
	text := t.Flow.String()
	if t.Protocol == protoICMP || t.Protocol == protoICMPv6 {
		text += fmt.Sprintf(" type %d code %d id %d", t.ICMPType, t.ICMPCode, t.ICMPID)
	}
	if t.Zone != 0 {
		text += fmt.Sprintf(" zone %d", t.Zone)
	}
	return text
}

// String shows the entry in a line, the reply only if addresses are translated:
//
//	established reply, TCP 192.0.2.1:4000 > 192.0.2.2:80, seen-reply|confirmed, 2m0s, mark 0x1
func (c Conntrack) String() string {
	var said parts
	said.add(!c.InReply, "%v", c.State)
	said.add(c.InReply, "%v reply", c.State)
	said.add(true, "%v", c.Original)
	said.add(c.Reply.Flow != c.Original.Reverse(), "answered by %v", c.Reply)
	said.add(c.Zone != 0, "zone %d", c.Zone)
	said.add(true, "%v", c.Status)
	said.add(true, "%v", c.Timeout)
	said.add(c.Mark != 0, "mark %#x", c.Mark)
	said.add(c.Labels != CTLabels{}, "labels %v", c.Labels)
	said.add(c.Helper != "", "helper %s", c.Helper)
	return strings.Join(said, ", ")
}
