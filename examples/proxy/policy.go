package main

import (
	"net/netip"
	"slices"

	"github.com/ipqueue/ipqueue/queue"
)

// A policy says which connections take the way through the proxy.
type policy struct {
	to    []netip.Prefix // destinations; none means all
	ports []uint16       // of the destinations; none means all

	// The marks that say so to the rules. Neither is 0, the mark of packets
	// that are still to be judged.
	proxy, direct uint32
}

// judge returns the verdict about a connection's first packet.
func (c policy) judge(p queue.Packet) queue.Verdict {
	switch {
	case p.Mark != 0: // the rules forgot to look at it, and would ask for ever
		return queue.Verdict{Action: queue.Accept}
	case c.matches(p.Flow().Destination):
		return queue.Verdict{Action: queue.Repeat, Mark: c.proxy}
	}
	return queue.Verdict{Action: queue.Repeat, Mark: c.direct}
}

func (c policy) matches(destination netip.AddrPort) bool {
	if !destination.IsValid() { // no IP
		return false
	}
	inside := func(prefix netip.Prefix) bool { return prefix.Contains(destination.Addr()) }
	return (len(c.to) == 0 || slices.ContainsFunc(c.to, inside)) &&
		(len(c.ports) == 0 || slices.Contains(c.ports, destination.Port()))
}

// name is what the verdict means.
func (c policy) name(v queue.Verdict) string {
	switch v.Mark {
	case c.proxy:
		return "proxy"
	case c.direct:
		return "direct"
	}
	return "marked"
}
