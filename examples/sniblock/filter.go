package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ipqueue/ipqueue/examples/dnssink/names"
	"github.com/ipqueue/ipqueue/queue"
)

// A decision is what happens to one packet. Of several, the one listed last
// counts.
type decision uint8

const (
	discard decision = iota // dropped, because the server may ignore it
	pass                    // it may go on
	settle                  // it and the rest of its connection may go on
	refuse                  // it must not arrive
)

// An outcome is a decision and, for the first refused packet of a connection,
// the reason.
type outcome struct {
	decision decision
	reason   string
	changed  bool // the packet is replaced by what is now in the queue's memory
}

// or returns the outcome that counts.
func (o outcome) or(other outcome) outcome {
	if other.decision > o.decision {
		return other
	}
	return o
}

// A filter refuses connections to the names of a list. If a ClientHello is
// split, the first parts pass: the server can use it only when the last part
// arrives, and that one is refused.
type filter struct {
	names *names.Set
	quic  quicPolicy
	ech   echPolicy

	tcp      tcpTable
	initials quicTable
	seen     func(queue.Flow, hello) // is called for each ClientHello
}

// judge decides a packet from a client.
func (f *filter) judge(p queue.Packet, now time.Time) (queue.Flow, outcome) {
	v, sound := read(p)
	switch {
	case !sound:
		return v.flow, outcome{decision: discard}
	case v.flow.Protocol == protocolTCP:
		return v.flow, f.judgeSegment(v, now)
	case v.flow.Protocol == protocolUDP:
		return v.flow, f.judgeDatagram(v, now)
	}
	return v.flow, outcome{decision: pass}
}

func (f *filter) judgeSegment(v packet, now time.Time) outcome {
	s, ok := parseSegment(v)
	switch {
	case !ok:
		return outcome{decision: discard}
	case s.rst: // only the server can distinguish it from a forged one
		return outcome{decision: pass}
	}
	o := f.tcp.take(v.flow, s, now, func(h hello) string { return f.refuses(v.flow, h) })
	o.changed = s.multipath
	return o
}

// refuses returns why a ClientHello is refused, or "".
func (f *filter) refuses(flow queue.Flow, h hello) (reason string) {
	f.seen(flow, h)
	for _, name := range h.names {
		if f.names.Has(name) {
			return fmt.Sprintf("%q", name)
		}
	}
	if h.encrypted && f.ech == refuseECH {
		return h.String()
	}
	return ""
}

// String returns the names, and whether one is encrypted.
func (h hello) String() string {
	var s strings.Builder
	for i, name := range h.names {
		if i > 0 {
			s.WriteByte(' ')
		}
		fmt.Fprintf(&s, "%q", name)
	}
	switch {
	case h.encrypted && len(h.names) == 0:
		return "encrypted name"
	case h.encrypted:
		s.WriteString(", encrypted name")
	case len(h.names) == 0:
		return "no name"
	}
	return s.String()
}

// A quicPolicy is what to do with QUIC.
type quicPolicy uint8

const (
	judgeQUIC quicPolicy = iota
	dropQUIC
	passQUIC
)

var quicPolicies = []string{"judge", "drop", "pass"}

func (q quicPolicy) MarshalText() ([]byte, error) { return []byte(quicPolicies[q]), nil }

func (q *quicPolicy) UnmarshalText(text []byte) error { return choose(q, text, quicPolicies) }

// An echPolicy is what to do with a ClientHello that contains an encrypted one.
type echPolicy uint8

const (
	allowECH echPolicy = iota // it is judged by the name outside
	refuseECH
)

var echPolicies = []string{"allow", "refuse"}

func (e echPolicy) MarshalText() ([]byte, error) { return []byte(echPolicies[e]), nil }

func (e *echPolicy) UnmarshalText(text []byte) error { return choose(e, text, echPolicies) }

// choose sets a policy to the index of its word.
func choose[P ~uint8](to *P, word []byte, words []string) error {
	for i, w := range words {
		if w == string(word) {
			*to = P(i)
			return nil
		}
	}
	return errors.New("want " + strings.Join(words, " or "))
}
