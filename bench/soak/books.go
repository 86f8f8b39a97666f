package main

import (
	"fmt"
	"strings"
	"sync"

	"github.com/ipqueue/ipqueue/queue"
)

// A tally counts the verdicts that the application gave and the queue accepted.
type tally struct {
	accepted, dropped, repeated, requeued, replaced uint64
}

func (t tally) sum() uint64 { return t.accepted + t.dropped + t.repeated + t.requeued }

func (t *tally) add(v queue.Verdict) {
	switch v.Action {
	case queue.Accept:
		t.accepted++
	case queue.Drop:
		t.dropped++
	case queue.Repeat:
		t.repeated++
	case queue.Requeue:
		t.requeued++
	}
	if v.Payload != nil {
		t.replaced++
	}
}

// A sharedTally is a tally for several goroutines.
type sharedTally struct {
	mu sync.Mutex
	tally
}

func (t *sharedTally) add(v queue.Verdict) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tally.add(v)
}

// Books contains all counts about a queue after its end.
type books struct {
	stats  queue.Stats // after Close
	given  tally
	passed passed
	// lenient means that the kernel may have let packets pass that it did not
	// deliver: with FailOpen, and with OnClose Accept.
	lenient bool
}

// Passed contains the packets that rules after a queue counted while it was open:
// those accepted and those repeated by the application, and those that passed
// without its verdict.
type passed struct{ accepted, repeated, unasked uint64 }

// Problems lists the counts that do not agree. It is an error unless it is empty.
type problems []string

func (p problems) Error() string { return strings.Join(p, "\n") }

// equal adds a problem if two counts differ.
func (p *problems) equal(what string, got, want uint64) {
	if got != want {
		*p = append(*p, fmt.Sprintf("%s: %d, want %d", what, got, want))
	}
}

// atMost adds a problem if a count exceeds a limit.
func (p *problems) atMost(what string, got, limit uint64) {
	if got > limit {
		*p = append(*p, fmt.Sprintf("%s: %d, want at most %d", what, got, limit))
	}
}

// audit checks the books of a queue that was closed.
func (b books) audit() problems {
	var p problems
	p.identity(b.stats)
	p.verdicts(b.stats, b.given)
	p.passage(b)
	return p
}

// identity checks the counters of a closed queue against each other and
// against the kernel's row.
func (p *problems) identity(s queue.Stats) {
	ended := s.Decided + s.Expired + s.Overflowed + s.Damaged + s.Abandoned
	p.equal("Received = Decided + Undecided + Expired + Overflowed + Damaged + Gone + Abandoned",
		s.Received, ended+s.Undecided+s.Gone)
	p.equal("Undecided after Close", s.Undecided, 0)
	p.equal("Damaged", s.Damaged, 0)
	p.equal("Gone", s.Gone, 0)
	p.equal("Malformed", s.Malformed, 0)
	p.equal("Foreign", s.Foreign, 0)
	// The kernel has no reason to refuse a verdict: no link goes down, and no rule
	// is removed.
	p.equal("Refused", s.Refused, 0)
	p.equal("packets by their actions", s.Accepted+s.Dropped+s.Repeated+s.Stopped+s.Requeued, ended)
	if s.Kernel.Err != nil {
		*p = append(*p, fmt.Sprintf("Kernel.Err: %v", s.Kernel.Err))
		return
	}
	p.atMost("Received + Missed against the kernel's last id", s.Received+s.Missed, uint64(s.Kernel.LastID))
}

// verdicts checks the counters against the verdicts that the application gave.
func (p *problems) verdicts(s queue.Stats, given tally) {
	p.equal("Decided against the verdicts given", s.Decided, given.sum())
	p.atMost("packets accepted by the application", given.accepted, s.Accepted)
	p.atMost("packets dropped by the application", given.dropped, s.Dropped)
	p.equal("Repeated", s.Repeated, given.repeated)
	p.equal("Requeued", s.Requeued, given.requeued)
	p.equal("Replaced", s.Replaced, given.replaced)
}

// passage checks the packets that the rules after the queue counted.
func (p *problems) passage(b books) {
	p.equal("packets passed with the mark of Accept", b.passed.accepted, b.given.accepted)
	p.equal("packets passed with the mark of Repeat", b.passed.repeated, b.given.repeated)
	byPolicy := b.stats.Accepted - b.given.accepted
	if b.lenient {
		p.atMost("packets accepted by policy against those passed without mark", byPolicy, b.passed.unasked)
	} else {
		p.equal("packets passed without mark", b.passed.unasked, byPolicy)
	}
}

// settled checks the counters of an open queue to which nothing is sent: no packet may
// wait, and each id that the kernel gave must belong to a packet that was received or
// that the kernel counted as not delivered. With FailOpen the kernel does not count
// these.
func settled(s queue.Stats, failOpen bool) problems {
	var p problems
	p.equal("Kernel.Pending", uint64(s.Kernel.Pending), 0)
	p.equal("Undecided", s.Undecided, 0)
	lost := uint64(s.Kernel.LastID) - s.Received
	if !failOpen {
		p.equal("ids not received against Kernel.SocketDropped", lost, uint64(s.Kernel.SocketDropped))
	}
	// If the last packets were lost, no later packet shows the gap.
	p.atMost("Missed against ids not received", s.Missed, lost)
	return p
}
