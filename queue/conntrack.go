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
// packet was queued, and the relation of the packet to the connection.
type Conntrack struct {
	// State is the relation of the packet to the connection. InReply reports
	// whether the packet has the direction of Reply instead of Original.
	State   CTState
	InReply bool

	// Original has the addresses of the first packet of the connection. Reply
	// has those of packets in the other direction. With NAT, Reply is not
	// simply Original reversed.
	Original, Reply CTTuple

	// Status contains facts about the connection.
	Status CTStatus

	// Mark is the mark of the connection, not that of the packet.
	Mark uint32

	// ID distinguishes successive entries with the same tuples.
	ID uint32

	// Timeout is the time, in whole seconds, after which the entry is removed
	// if no packet arrives. For an entry that is not CTConfirmed yet, it is the
	// initial timeout; before Linux 6.4 the value is then meaningless.
	Timeout time.Duration

	// Zone is the zone of both directions (Linux 2.6.34).
	Zone uint16

	// Labels are the labels of the connection (Linux 3.9).
	Labels CTLabels

	// Helper is the name of the conntrack helper that reads the connection, for
	// example "ftp", or empty.
	Helper string
}

// A CTTuple is one direction of a connection.
type CTTuple struct {
	Flow

	// ICMPType, ICMPCode and ICMPID are set for ICMP and ICMPv6 only.
	ICMPType, ICMPCode uint8
	ICMPID             uint16

	// Zone is the zone of this direction only (Linux 4.3).
	Zone uint16
}

// A CTState is the relation of a packet to its connection, like "ct state" in
// rules. The zero value means that the kernel did not report it.
type CTState uint8

// The relations of a packet to its connection.
const (
	CTNew         CTState = iota + 1 // the connection has had packets in one direction only
	CTEstablished                    // the connection has had packets in both directions
	CTRelated                        // the packet starts a connection related to another, or is an ICMP error
)

// String returns "new", "established" or "related", or "unknown" for the zero
// value.
func (s CTState) String() string {
	return name("CTState", uint8(s), "unknown", "new", "established", "related")
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

// A CTStatus is a set of facts about a connection, like "ct status" in rules.
type CTStatus uint32

// The bits of CTStatus.
const (
	CTExpected     CTStatus = CTStatus(wire.CTExpected)     // expected by the helper of another connection
	CTSeenReply    CTStatus = CTStatus(wire.CTSeenReply)    // has had packets in both directions
	CTAssured      CTStatus = CTStatus(wire.CTAssured)      // is not removed early when the table is full
	CTConfirmed    CTStatus = CTStatus(wire.CTConfirmed)    // is in the table: its first packet has left
	CTSrcNAT       CTStatus = CTStatus(wire.CTSrcNAT)       // its source addresses are translated
	CTDstNAT       CTStatus = CTStatus(wire.CTDstNAT)       // its destination addresses are translated
	CTSeqAdjust    CTStatus = CTStatus(wire.CTSeqAdjust)    // its TCP sequence numbers are adjusted
	CTSrcNATDone   CTStatus = CTStatus(wire.CTSrcNATDone)   // source translation has been decided
	CTDstNATDone   CTStatus = CTStatus(wire.CTDstNATDone)   // destination translation has been decided
	CTDying        CTStatus = CTStatus(wire.CTDying)        // is about to be freed
	CTFixedTimeout CTStatus = CTStatus(wire.CTFixedTimeout) // packets do not extend its timeout
	CTTemplate     CTStatus = CTStatus(wire.CTTemplate)     // is a template, not a connection
	CTUntracked    CTStatus = CTStatus(wire.CTUntracked)    // is not tracked (before Linux 4.12)
	CTHelper       CTStatus = CTStatus(wire.CTHelper)       // a rule assigned its helper (Linux 3.5)
	CTOffload      CTStatus = CTStatus(wire.CTOffload)      // is in a flow table (Linux 4.16)
	CTHWOffload    CTStatus = CTStatus(wire.CTHWOffload)    // is handled by hardware (Linux 5.7)
)

// String returns the names of the bits joined by "|", or "0" if there are none.
func (s CTStatus) String() string { return wire.CTStatus(s).String() }

// CTLabels is the set of labels of a connection, like "ct label" in rules.
// There are 128 labels: label n is bit n%64 of word n/64.
type CTLabels [2]uint64

// CTLabelsOf returns the set that contains the given labels. It panics if one
// of them is not from 0 to 127.
func CTLabelsOf(labels ...int) (l CTLabels) {
	for _, n := range labels {
		l.Set(n)
	}
	return l
}

// CTLabelsFromBytes returns the labels in the 16 bytes of a CTA_LABELS
// attribute, which is the form that other libraries use. The bytes are an array
// of unsigned long, in the byte order and word size of this machine.
func CTLabelsFromBytes(b [16]byte) CTLabels { return CTLabels(wire.ParseCTLabels(b[:])) }

// Bytes returns the labels in the form that CTLabelsFromBytes takes.
func (l CTLabels) Bytes() (b [16]byte) {
	wire.CTLabels(l).Append(b[:0])
	return b
}

// Set adds label n to the set. It panics if n is not from 0 to 127.
func (l *CTLabels) Set(n int) {
	if n < 0 || n >= 128 {
		panic(fmt.Sprintf("queue: connection label %d is not from 0 to 127", n))
	}
	l[n/64] |= 1 << (n % 64)
}

// Has reports whether the set contains label n. It reports false if n is not
// from 0 to 127.
func (l CTLabels) Has(n int) bool { return n >= 0 && n < 128 && l[n/64]>>(n%64)&1 != 0 }

// String returns the numbers of the labels, for example "0,63".
func (l CTLabels) String() string {
	var set []string
	for n := range 128 {
		if l.Has(n) {
			set = append(set, strconv.Itoa(n))
		}
	}
	return strings.Join(set, ",")
}

// conntrackIn returns the encoded conntrack entry of the packet in a slot, nil
// if there is none.
func conntrackIn(s *ledger.Slot) []byte {
	if a, ok := s.Memo.(*aside); ok {
		return a.conntrack
	}
	return nil
}

func tupleOf(t *wire.CTTuple) CTTuple {
	return CTTuple{Flow{t.Protocol, t.Source, t.Destination}, t.ICMPType, t.ICMPCode, t.ICMPID, t.Zone}
}

// String returns, for example, "ICMP 192.0.2.1 > 192.0.2.2 type 8 code 0 id 5".
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

// String returns the entry in one line. It contains the reply only if addresses
// are translated:
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
