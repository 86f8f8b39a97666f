package queue

import (
	"fmt"

	"github.com/ipqueue/ipqueue/internal/sock"
)

// nfqueueLimits are what nfnetlink_queue of Linux 7.2 and later leaves out of a
// verdict, or drops the packet for, without an error. The zero value is that of
// older kernels.
type nfqueueLimits struct {
	// noReplace: every replaced packet is dropped, because the network
	// namespace does not belong to the initial user namespace.
	noReplace bool
	// noReplaceBridge: every replaced packet of the Bridge family is dropped.
	noReplaceBridge bool
	// noHelperChange: an NFQA_CT that takes the helper away is carried out up to
	// there, and neither labels nor mark are changed.
	noHelperChange bool
}

func limitsOf(q *binding) nfqueueLimits {
	since72 := sock.ReleaseOf(q.host).AtLeast(7, 2)
	return nfqueueLimits{
		noReplace:       sock.DropsReplaced(q.host, q.sock),
		noReplaceBridge: since72,
		noHelperChange:  since72,
	}
}

// check refuses what the kernel would do to no packet.
func (l *nfqueueLimits) check(v *Verdict) error {
	if v.Conntrack.NoHelper && l.noHelperChange {
		return fmt.Errorf("%w: Linux 7.2 and later take no connection's helper away", ErrUnsupported)
	}
	return nil
}

// suits refuses what the kernel would not do to this packet.
func (l *nfqueueLimits) suits(p *Packet, v *Verdict) error {
	switch {
	case v.Payload != nil && l.noReplace:
		return fmt.Errorf("%w: Linux 7.2 and later drop replaced packets in a network namespace that the initial user namespace does not own; "+
			"make that namespace as root, not in a user namespace (rootless container, unshare --user)", ErrUnsupported)
	case v.Payload != nil && l.noReplaceBridge && p.Family == Bridge:
		return fmt.Errorf("%w: Linux 7.2 and later drop replaced packets of the Bridge family", ErrUnsupported)
	}
	return nil
}
