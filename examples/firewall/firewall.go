package main

import (
	"fmt"
	"sync/atomic"

	"github.com/ipqueue/ipqueue/queue"
)

// A firewall decides packets by a policy.
type firewall struct {
	policy             *policy
	accepted, rejected mark
	lost               teller // of packets that were dropped or rejected
	trouble            teller // of anything else
	counts             counts

	// For the HTTP server.
	queue atomic.Pointer[queue.Queue]
	alive atomic.Int64 // when the loop last ran, in Unix nanoseconds
}

// counts are counters that any goroutine may read.
type counts struct {
	accepted, dropped, rejected atomic.Uint64 // packets
	rules, mistakes             atomic.Int64  // rules in force, policies refused
}

func (c *counts) String() string {
	return fmt.Sprintf("%d accepted, %d dropped, %d rejected",
		c.accepted.Load(), c.dropped.Load(), c.rejected.Load())
}

// decide gives a packet its verdict.
func (f *firewall) decide(p queue.Packet) {
	if err := f.verdict(p); err != nil {
		f.trouble.tell("firewall: %v\n", err)
		_ = p.Drop() // a refused verdict leaves the packet undecided
	}
}

// verdict decides a packet. It checks the marks first: correct rules do not
// queue a packet with one of them, but with wrong rules, the packet must not be
// queued again and again.
func (f *firewall) verdict(p queue.Packet) error {
	switch {
	case f.accepted.on(p.Mark):
		f.trouble.tell("firewall: an accepted packet came back: the rules before the queue ignore mark %v\n", f.accepted)
		return p.Accept()
	case f.rejected.on(p.Mark):
		f.trouble.tell("firewall: a rejected packet came back and was dropped: no rule rejects mark %v\n", f.rejected)
		return p.Drop()
	}
	t := f.policy.look(p)
	what, line := f.policy.decide(t)
	switch what {
	case accept:
		f.counts.accepted.Add(1)
		return f.repeat(p, f.accepted)
	case reject:
		f.counts.rejected.Add(1)
		f.tell("rejected", t.flow, line)
		return f.repeat(p, f.rejected)
	}
	f.counts.dropped.Add(1)
	f.tell("dropped", t.flow, line)
	return p.Drop()
}

// repeat sends the packet through the rules again, with the mark m. If m is no
// mark, it accepts the packet.
func (f *firewall) repeat(p queue.Packet, m mark) error {
	if m == (mark{}) {
		return p.Accept()
	}
	return p.Decide(queue.Verdict{Action: queue.Repeat, Mark: m.value, MarkMask: m.mask})
}

// tell prints a packet that was not accepted, and why.
func (f *firewall) tell(what string, flow queue.Flow, line int) {
	why := "default"
	if line > 0 {
		why = fmt.Sprintf("line %d", line)
	}
	f.lost.tell("%-8s  %v (%s)\n", what, flow, why)
}
