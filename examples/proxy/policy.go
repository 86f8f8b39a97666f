package main

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/ipqueue/ipqueue/queue"
)

// A policy selects the connections that go to the proxy.
type policy struct {
	to    []netip.Prefix // destinations; none means all
	ports []uint16       // of the destinations; none means all

	// The marks for the rules. Neither is 0, the mark of undecided packets. Bits
	// outside of both belong to other programs.
	proxy, direct uint32
}

// mask returns the bits of both marks.
func (c policy) mask() uint32 { return c.proxy | c.direct }

// String describes the connections that go to the proxy.
func (c policy) String() string {
	text := "connections"
	if len(c.to) > 0 {
		text += fmt.Sprint(" to ", c.to)
	}
	if len(c.ports) > 0 {
		text += fmt.Sprint(" at ports ", c.ports)
	}
	return text + fmt.Sprintf(" get mark %#x, all others %#x", c.proxy, c.direct)
}

// judge returns the verdict on the first packet of a connection.
func (c policy) judge(p queue.Packet) queue.Verdict {
	switch {
	case p.Mark&c.mask() != 0: // the rules do not check the mark: with Repeat it would be queued again and again
		return queue.Verdict{Action: queue.Accept}
	case c.matches(p.Flow().Destination):
		return queue.Verdict{Action: queue.Repeat, Mark: c.proxy, MarkMask: c.mask()}
	}
	return queue.Verdict{Action: queue.Repeat, Mark: c.direct, MarkMask: c.mask()}
}

func (c policy) matches(destination netip.AddrPort) bool {
	if !destination.IsValid() { // no IP
		return false
	}
	inside := func(prefix netip.Prefix) bool { return prefix.Contains(destination.Addr()) }
	return (len(c.to) == 0 || slices.ContainsFunc(c.to, inside)) &&
		(len(c.ports) == 0 || slices.Contains(c.ports, destination.Port()))
}

// name returns the meaning of the verdict.
func (c policy) name(v queue.Verdict) string {
	switch v.Mark {
	case c.proxy:
		return "proxy"
	case c.direct:
		return "direct"
	}
	return "marked"
}
