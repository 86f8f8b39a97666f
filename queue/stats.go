package queue

import (
	"time"
)

// Stats is what a queue has counted since Open. At any quiet moment
//
//	Received = Decided + Undecided + Expired + Overflowed + Damaged + Gone + Abandoned
type Stats struct {
	// Received is the packets whose id was read from the kernel.
	Received uint64
	// Decided is those whose verdict the application gave and the kernel's
	// socket took.
	Decided uint64
	// Undecided is those that wait for a verdict, or for its sending.
	Undecided uint64
	// Expired is those that the deadline decided.
	Expired uint64
	// Overflowed is those that Config.WhenFull decided.
	Overflowed uint64
	// Damaged is those that Config.OnDeadline decided because their message
	// was cut or could not be decoded.
	Damaged uint64
	// Gone is those of which ip_queue used the id again before they were
	// decided, because it had dropped them.
	Gone uint64
	// Abandoned is those that were undecided when the queue closed.
	Abandoned uint64

	// Accepted, Dropped, Repeated, Stopped and Requeued tell apart the
	// verdicts sent, whoever decided. Replaced is those of them that carried a
	// payload.
	Accepted, Dropped, Repeated, Stopped, Requeued, Replaced uint64

	// Missed is the packets that the kernel numbered for this queue and could
	// not deliver: it dropped them, or accepted them with FailOpen. Only
	// nfnetlink_queue numbers packets.
	Missed uint64
	// Overruns is how often the kernel reported that the socket's receive
	// buffer was full (ENOBUFS). nfnetlink_queue is asked not to: Missed and
	// Kernel.SocketDropped tell more.
	Overruns uint64
	// Refused is the verdicts that the kernel refused after they were sent.
	// Late is those of them whose packet it had already given up (ENOENT).
	// Without Config.OnRefused some such verdicts go unnoticed: those that were
	// sent together with others that the kernel carried out.
	Refused, Late uint64
	// Malformed is the messages that made no sense and showed no id.
	Malformed uint64
	// Foreign is the messages that some other process sent to the socket in
	// the moment before the kernel was told to refuse them.
	Foreign uint64
	// SendRetries is how often the kernel had no memory to take verdicts,
	// which were then sent again.
	SendRetries uint64
	// BuffersLeft is the packet buffers left to the garbage collector because
	// the application may still have been reading them when the deadline
	// decided their packet.
	BuffersLeft uint64

	// OldestUndecided is the age of the packet that has waited longest, with
	// Config.Deadline or Config.TrackAge, else 0.
	OldestUndecided time.Duration
	// ReadBuffer is the size of the socket's receive buffer in bytes, as the
	// kernel accounts it: twice what was asked for, if that was granted.
	ReadBuffer int

	// Kernel is the kernel's own view of the queue.
	Kernel KernelStats
}

// KernelStats is the row that the kernel keeps for a queue in
// /proc/net/netfilter/nfnetlink_queue or /proc/net/ip_queue. Its counters wrap
// at 32 bits. After Close it is as it was just before.
type KernelStats struct {
	// Err says why there is no row; the rest is zero then.
	Err error
	// Pending is the packets that wait for a verdict, read or not.
	Pending uint32
	// QueueDropped is the packets dropped because the queue had reached its
	// length (ip_queue: Linux 2.6.18 and later).
	QueueDropped uint32
	// SocketDropped is the packets dropped because the socket's receive buffer
	// was full (ip_queue: Linux 2.6.18 and later).
	SocketDropped uint32
	// LastID is the id given last (nfnetlink_queue).
	LastID uint32
}

// Counters of the reader, kept without a lock and added up once per batch.
type readCounters struct {
	Missed, Overruns, Refused, Late, Malformed, Foreign uint64
}

func (c *readCounters) add(d *readCounters) {
	c.Missed += d.Missed
	c.Overruns += d.Overruns
	c.Refused += d.Refused
	c.Late += d.Late
	c.Malformed += d.Malformed
	c.Foreign += d.Foreign
}

// counters are guarded by writer.mu.
type counters struct {
	read             readCounters
	received         uint64
	by               [causes]uint64
	actions          [actions]uint64
	replaced         uint64
	gone             uint64
	abandoned        uint64
	sendRetries      uint64
	abandonedBuffers uint64
}

// decided counts a verdict that was sent.
func (c *counters) decided(s *slot) {
	c.by[s.cause]++
	c.actions[s.action]++
	if s.replaces {
		c.replaced++
	}
}

// Stats returns the queue's counters, taken at one moment, and the kernel's,
// read a little later. It may be called from anywhere, also after Close. While
// the queue closes it waits for the end of that, which does not wait for the
// application: what it returns after the stream has ended by Close is final.
func (q *Queue) Stats() Stats {
	if q.life.Load() >= closing {
		<-q.ending.done
	}
	s := q.writer.stats()
	s.ReadBuffer = q.readBuffer
	s.Kernel = q.kernelRow()
	return s
}

// kernelRow is the kernel's row, or the last one once the queue closes. What
// cannot be read may have gone by that.
func (q *Queue) kernelRow() KernelStats {
	if q.life.Load() < closing {
		k := q.kernelStatus()
		if k.Err == nil || q.life.Load() < closing {
			return k
		}
	}
	<-q.ending.done
	return q.lastStatus
}

func (w *writer) stats() Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := &w.count
	return Stats{
		Received:        c.received,
		Decided:         c.by[byApplication],
		Undecided:       uint64(w.arrivals.n),
		Expired:         c.by[byDeadline],
		Overflowed:      c.by[byWhenFull],
		Damaged:         c.by[byDamage],
		Gone:            c.gone,
		Abandoned:       c.abandoned + c.by[byClose],
		Accepted:        c.actions[Accept],
		Dropped:         c.actions[Drop],
		Repeated:        c.actions[Repeat],
		Stopped:         c.actions[Stop],
		Requeued:        c.actions[Requeue],
		Replaced:        c.replaced,
		Missed:          c.read.Missed,
		Overruns:        c.read.Overruns,
		Refused:         c.read.Refused,
		Late:            c.read.Late,
		Malformed:       c.read.Malformed,
		Foreign:         c.read.Foreign,
		SendRetries:     c.sendRetries,
		BuffersLeft:     c.abandonedBuffers,
		OldestUndecided: w.oldestAge(),
	}
}

func (w *writer) oldestAge() time.Duration {
	if w.arrivals.oldest == nil {
		return 0
	}
	return time.Duration(w.q.now() - w.arrivals.oldest.arrived)
}

// kernelStatus reads the kernel's row. Errors that come from the end of the
// queue are not told apart from others.
func (q *Queue) kernelStatus() KernelStats {
	k, err := q.kernel.status(&q.status)
	k.Err = q.opError("status", err)
	return k
}
