package main

import (
	"net/netip"
	"strings"

	"github.com/ipqueue/ipqueue/queue"
)

// An action is what a rule does with the packets that it matches.
type action uint8

const (
	drop action = iota
	accept
	reject // drop, and notify the sender
)

func (a action) String() string { return [...]string{"drop", "accept", "reject"}[a] }

// A policy is a list of rules. The first that matches a packet decides it.
type policy struct {
	rules    []rule
	standard action // for packets that no rule matches
	names    bool   // some rule names an interface
}

// A rule decides the packets that match all of its conditions. The zero value
// of a condition matches every packet.
type rule struct {
	line     int // in the file
	action   action
	in, out  link
	protocol uint8
	icmp     icmpType
	from, to end
}

// A link is a condition on the name of an interface: the name, or its beginning
// and a "*".
type link string

// An end is a condition on one end of a flow.
type end struct {
	prefix      netip.Prefix // the zero Prefix for any address
	first, last uint16       // ports; both 0 for any
}

// A traveller contains the properties of a packet that the rules check.
type traveller struct {
	flow    queue.Flow
	in, out string // names of interfaces
	icmp    []byte // the ICMP message, nil for other protocols
}

// look returns the properties of a packet, which must be undecided.
func (p *policy) look(packet queue.Packet) traveller {
	t := traveller{flow: packet.Flow()}
	if p.names {
		t.in, t.out = packet.In().Name(), packet.Out().Name()
	}
	if isICMP(t.flow.Protocol) {
		_, t.icmp = packet.Transport()
	}
	return t
}

// decide returns the action for a packet, and the line of the rule that
// matches, or 0 if none does.
func (p *policy) decide(t traveller) (action, int) {
	for _, r := range p.rules {
		if r.matches(t) {
			return r.action, r.line
		}
	}
	if neighbours(t) {
		return accept, 0
	}
	return p.standard, 0
}

// rejects reports whether the policy rejects anything.
func (p *policy) rejects() bool {
	for _, r := range p.rules {
		if r.action == reject {
			return true
		}
	}
	return p.standard == reject
}

func (r rule) matches(t traveller) bool {
	return (r.protocol == 0 || r.protocol == t.flow.Protocol) &&
		r.in.matches(t.in) && r.out.matches(t.out) && r.icmp.matches(t.icmp) &&
		r.from.matches(t.flow.Source) && r.to.matches(t.flow.Destination)
}

func (l link) matches(name string) bool {
	if start, found := strings.CutSuffix(string(l), "*"); found {
		return name != "" && strings.HasPrefix(name, start)
	}
	return l == "" || string(l) == name
}

func (e end) matches(a netip.AddrPort) bool {
	return (!e.prefix.IsValid() || e.prefix.Contains(a.Addr())) && e.hasPort(a.Port())
}

func (e end) hasPort(port uint16) bool { return e.last == 0 || e.first <= port && port <= e.last }
