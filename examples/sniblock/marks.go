package main

import (
	"errors"

	"github.com/ipqueue/ipqueue/queue"
)

// marks are those by which rules know what was decided. 0 means that there are
// no such rules.
type marks struct {
	settled uint32
	refused uint32
}

// errCameBack is about rules that would queue a packet for ever.
var errCameBack = errors.New("a packet came back with its mark: the rules do not heed -mark or -reset")

// decide gives a packet its verdict. Accept ends the chain, so that its rules
// would not see the mark; Repeat begins the chain again with it.
func (m marks) decide(p queue.Packet, d decision) error {
	switch {
	case p.Mark != 0 && p.Mark == m.settled:
		return errors.Join(errCameBack, p.Accept())
	case p.Mark != 0 && p.Mark == m.refused:
		return errors.Join(errCameBack, p.Drop())
	case d == settle && m.settled != 0:
		return p.Decide(queue.Verdict{Action: queue.Repeat, Mark: m.settled})
	case d == refuse && m.refused != 0:
		return p.Decide(queue.Verdict{Action: queue.Repeat, Mark: m.refused})
	case d == refuse:
		return p.Drop()
	}
	return p.Accept()
}
