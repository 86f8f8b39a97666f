package diagnose

import (
	"fmt"
	"strings"

	"github.com/ipqueue/ipqueue/queue"
)

// manyPending is the number of waiting packets from which on Run warns: the
// default length of a queue.
const manyPending = 1024

// losses looks for packets that wait in the queues or were lost. It checks a
// second time if that can show more.
func (x *examination) losses(again func() []BoundQueue) {
	second := false
	for _, q := range x.Queues {
		carried := q.Backend == queue.IPQueue && (q.Kernel.QueueDropped > 0 || q.Kernel.SocketDropped > 0)
		second = second || q.Kernel.Pending > 0 || carried
	}
	later := make(map[string]BoundQueue)
	if second && x.wait() {
		for _, q := range again() {
			later[q.String()] = q
		}
	}
	for _, q := range x.Queues {
		l, ok := later[q.String()]
		if ok = ok && l.Port == q.Port; !ok {
			l = q
		}
		x.lost(q, l)
		x.waiting(q, l, ok)
	}
}

// lost reports packets that a queue has lost. The counters of ip_queue start when
// its module is loaded, so they may include losses of earlier programs.
func (x *examination) lost(q, later BoundQueue) {
	for _, l := range []struct {
		was, is uint32
		where   string
		advice  string
	}{
		{q.Kernel.QueueDropped, later.Kernel.QueueDropped, q.String(), "decide faster, or raise Config.QueueLength"},
		{q.Kernel.SocketDropped, later.Kernel.SocketDropped, "The socket of " + strings.ToLower(q.String()), "read faster, or raise Config.ReadBuffer and net.core.rmem_max"},
	} {
		switch {
		case l.is == 0:
		case q.Backend != queue.IPQueue:
			x.say(x.unlessOwn(q, Warning), AboutLoss, "%s was full and has lost %s since the queue was bound", l.where, packets(l.is)).Advice = l.advice
		case l.is == l.was:
			x.say(Note, AboutLoss, "%s was full and has lost %s since the module was loaded, perhaps those of earlier programs", l.where, packets(l.is))
		default:
			x.say(Warning, AboutLoss, "%s is full and has lost %s within a second", l.where, packets(l.is-l.was)).Advice = l.advice
		}
	}
}

// waiting reports packets that wait in a queue. If twice is true, it compares both
// checks of the queue.
func (x *examination) waiting(q, later BoundQueue, twice bool) {
	n := later.Kernel.Pending
	switch {
	case n == 0:
	case twice && q.Kernel.Pending > 0 && still(q, later):
		x.say(x.unlessOwn(q, Warning), AboutLoss, "%v has %s waiting, and %s has decided none within a second", q, packets(n), q.owner()).
			Advice = "check whether that program hangs or leaves packets undecided; Config.Deadline limits how long they wait"
	case n >= manyPending:
		x.say(x.unlessOwn(q, Warning), AboutLoss, "%v has %s waiting for a verdict", q, packets(n)).
			Advice = "the program is too slow or leaves packets undecided; Config.Deadline limits how long they wait"
	default:
		x.say(Note, AboutLoss, "%v has %s waiting for a verdict", q, packets(n))
	}
}

// packets returns a number of packets in words, for example "1 packet".
func packets[N uint32 | uint64](n N) string {
	if n == 1 {
		return "1 packet"
	}
	return fmt.Sprintf("%d packets", n)
}

// still reports whether no packet was decided between two checks of a queue.
// nfnetlink_queue numbers the packets that it queues and those that did not fit
// into the socket buffer. ip_queue reports only the number of waiting packets.
func still(q, later BoundQueue) bool {
	a, b := q.Kernel, later.Kernel
	if q.Backend == queue.IPQueue {
		return a.Pending == b.Pending
	}
	queued := (b.LastID - a.LastID) - (b.SocketDropped - a.SocketDropped)
	return queued == b.Pending-a.Pending
}
