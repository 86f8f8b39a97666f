package main

import (
	"errors"

	"github.com/ipqueue/ipqueue/internal/netns"
)

// The queues.
const (
	mainQueue   = 1
	secondQueue = 2 // gets packets that mainQueue requeues
	childQueue  = 3
)

// The marks that verdicts set, by which rules distinguish packets.
const (
	acceptedMark = iota + 1 // by the application at mainQueue
	repeatedMark            // at mainQueue
	requeuedMark            // on the way from mainQueue to secondQueue
	secondMark              // accepted by the application at secondQueue
	childMark               // accepted by the child
	marksEnd
)

// Destination ports of queued packets. Echo requests and replies go to mainQueue as
// well.
const (
	mainPort  = 4000
	tcpPort   = 4001
	childPort = 4002
)

// A world contains the rules of the namespace.
type world struct {
	table  *netns.Table
	passed *netns.Chain
}

// newWorld adds the rules. The first accepts packets that were repeated.
func newWorld() (*world, error) {
	here := &netns.Namespace{}
	table, err := here.AddTable(netns.Inet, "soak")
	if err != nil {
		return nil, err
	}
	enqueue := func(number uint16, r netns.Rule) netns.Rule {
		r.Action, r.Queue = netns.Enqueue, netns.Queue{First: number}
		return r
	}
	_, err = table.AddChain(netns.Output, 0,
		netns.Rule{Mark: netns.MarkIs(repeatedMark), Action: netns.Accept},
		enqueue(mainQueue, netns.Rule{Protocol: netns.UDP, DstPort: mainPort}),
		enqueue(mainQueue, netns.Rule{Protocol: netns.TCP, DstPort: tcpPort}),
		enqueue(mainQueue, netns.Rule{Protocol: netns.ICMP}),
		enqueue(childQueue, netns.Rule{Protocol: netns.UDP, DstPort: childPort}))
	passed, err2 := table.AddChain(netns.Postrouting, 0, countingRules()...)
	if err := errors.Join(err, err2); err != nil {
		return nil, errors.Join(err, table.Delete())
	}
	return &world{table, passed}, nil
}

// countingRules returns the rules that count packets after the queues: one for each
// mark, and three for packets of mainQueue without a mark.
func countingRules() []netns.Rule {
	var rules []netns.Rule
	for mark := uint32(1); mark < marksEnd; mark++ {
		rules = append(rules, netns.Rule{Mark: netns.MarkIs(mark)})
	}
	none := netns.MarkIs(0)
	return append(rules,
		netns.Rule{Mark: none, Protocol: netns.UDP, DstPort: mainPort},
		netns.Rule{Mark: none, Protocol: netns.TCP, DstPort: tcpPort},
		netns.Rule{Mark: none, Protocol: netns.ICMP})
}

// A passage contains the number of packets that have passed, indexed by their mark.
type passage [marksEnd]uint64

func (w *world) passage() (passage, error) {
	counts, err := w.passed.Counts()
	if err != nil {
		return passage{}, err
	}
	return passageOf(counts), nil
}

func passageOf(counts []uint64) (p passage) {
	for i, n := range counts {
		if mark := i + 1; mark < marksEnd {
			p[mark] += n
		} else {
			p[0] += n
		}
	}
	return p
}

// sub returns the number of packets that have passed since before.
func (p passage) sub(before passage) passage {
	for mark := range p {
		p[mark] -= before[mark]
	}
	return p
}
