package main

import (
	"errors"

	"github.com/ipqueue/ipqueue/queue"
)

// marks are the marks that show decisions to the rules. 0 means that there are
// no such rules.
type marks struct {
	settled uint32
	refused uint32
}

// mask returns the bits of this program. Other bits may belong to other
// programs.
func (m marks) mask() uint32 { return m.settled | m.refused }

// errCameBack means that the rules would queue a packet again and again.
var errCameBack = errors.New("a packet was queued again with its mark: the rules do not match -mark and -reset")

// decide gives a packet its verdict. After Accept, the rules of the chain would
// not see the mark; Repeat starts the chain again, with the mark.
func (m marks) decide(p queue.Packet, o outcome) error {
	d := o.decision
	switch mark := p.Mark & m.mask(); {
	case mark != 0 && mark == m.settled:
		return errors.Join(errCameBack, p.Accept())
	case mark != 0 && mark == m.refused:
		return errors.Join(errCameBack, p.Drop())
	case d == settle && m.settled != 0:
		return p.Decide(queue.Verdict{Action: queue.Repeat, Mark: m.settled, MarkMask: m.mask()})
	case d == refuse && m.refused != 0:
		return p.Decide(queue.Verdict{Action: queue.Repeat, Mark: m.refused, MarkMask: m.mask()})
	case d == refuse || d == discard:
		return p.Drop()
	case o.changed:
		if p.Replace(p.Payload) != nil { // some kernels do not permit it
			return p.Drop()
		}
		return nil
	}
	return p.Accept()
}
