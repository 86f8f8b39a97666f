package queue

import (
	"sync/atomic"
	"time"

	"github.com/ipqueue/ipqueue/internal/ledger"
)

// Stats are the counters of a queue since Open. At any quiet moment
//
//	Received = Decided + Undecided + Expired + Overflowed + Damaged + Gone + Abandoned
type Stats struct {
	// Received counts packets read from the kernel, as far as they showed an id.
	Received uint64
	// Decided counts packets whose verdict the application gave and the
	// kernel's socket took.
	Decided uint64
	// Undecided is the number of packets that wait for a verdict, or for the
	// verdict to be sent.
	Undecided uint64
	// Expired counts packets that Config.Deadline decided.
	Expired uint64
	// Overflowed counts packets that Config.WhenFull decided.
	Overflowed uint64
	// Damaged counts packets that Config.OnDeadline decided because their
	// message was cut or could not be decoded.
	Damaged uint64
	// Gone counts packets that ip_queue had dropped before they were decided,
	// which shows when it uses their id again. A full queue is no cause of that
	// on Linux 3.4: see Kernel.QueueDropped.
	Gone uint64
	// Abandoned counts packets that were undecided when the queue closed.
	Abandoned uint64

	// Accepted, Dropped, Repeated, Stopped and Requeued count the verdicts sent,
	// whoever decided. Replaced counts those of them that carried a payload.
	Accepted, Dropped, Repeated, Stopped, Requeued, Replaced uint64

	// Missed counts packets that the kernel numbered for this queue and could
	// not deliver: it dropped them, or accepted them with FailOpen. The count
	// comes from gaps in the packet ids, so it needs no privilege. Only
	// nfnetlink_queue numbers packets.
	Missed uint64
	// Overruns counts how often the kernel reported that the socket's receive
	// buffer was full (ENOBUFS). nfnetlink_queue is asked not to report it:
	// Missed and Kernel.SocketDropped count the packets instead.
	Overruns uint64
	// Refused counts verdicts that the kernel refused after they were sent.
	// Late counts those of them whose packet the kernel had already given up
	// (ENOENT). Without Config.OnRefused some refusals go unnoticed: a verdict
	// for one packet of a batch of which the kernel carried out the rest.
	Refused, Late uint64
	// LostAnswers counts answers of the kernel for which the receive buffer had
	// no room. Nearly all are refusals of verdicts, which Refused and OnRefused
	// then miss; without Config.OnRefused one answer may refuse several
	// verdicts. While packets wait to be read the number may be too small; after
	// Close it is exact. It is 0 with ip_queue, before Linux 4.12, and where
	// Kernel.Err is set: it takes the kernel's row to tell answers from packets.
	LostAnswers uint64
	// Untold counts calls of Config.OnRefused and Config.OnExpired that were
	// left out because 65536 others waited.
	Untold uint64
	// ConntrackSkipped counts verdicts that were sent without their
	// Verdict.Conntrack, or without a part of it, because the packet had no
	// entry, or an entry that does not admit the change.
	ConntrackSkipped uint64
	// Malformed counts messages that could not be decoded and showed no id.
	Malformed uint64
	// Foreign counts messages that another process sent to the socket in the
	// moment before the kernel was told to refuse them. They are ignored.
	Foreign uint64
	// SendRetries counts how often the kernel had no memory to take verdicts,
	// which were then sent again.
	SendRetries uint64
	// BuffersLeft counts packet buffers left to the garbage collector because
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
	// Err is why there is no row; the other fields are then zero. Only root and
	// the group root may read the row of nfnetlink_queue, CAP_NET_ADMIN does not
	// suffice; Stats.Missed counts losses without it.
	Err error
	// Pending is the number of packets that wait for a verdict, read or not.
	Pending uint32
	// QueueDropped counts packets dropped because the queue had reached its
	// length (ip_queue: Linux 2.6.18 and later).
	QueueDropped uint32
	// SocketDropped counts packets dropped because the socket's receive buffer
	// was full (ip_queue: Linux 2.6.18 and later).
	SocketDropped uint32
	// LastID is the id of the last packet queued (nfnetlink_queue).
	LastID uint32
}

// statsOf puts the counters of the ledger and of the reader together.
func statsOf(c ledger.Counts, r *readCounts) Stats {
	return Stats{
		Received:        c.Received,
		Decided:         c.By[ledger.ByApplication],
		Undecided:       c.Undecided,
		Expired:         c.By[ledger.ByDeadline],
		Overflowed:      c.By[ledger.ByWhenFull],
		Damaged:         c.By[ledger.ByDamage],
		Gone:            c.Gone,
		Abandoned:       c.Abandoned + c.By[ledger.ByClose],
		Accepted:        c.Actions[Accept],
		Dropped:         c.Actions[Drop],
		Repeated:        c.Actions[Repeat],
		Stopped:         c.Actions[Stop],
		Requeued:        c.Actions[Requeue],
		Replaced:        c.Replaced,
		Missed:          r.missed.Load(),
		Overruns:        r.overruns.Load(),
		Refused:         r.refused.Load() + c.Unsendable,
		Late:            r.late.Load(),
		Malformed:       r.malformed.Load(),
		Foreign:         r.foreign.Load(),
		SendRetries:     c.Retries,
		BuffersLeft:     c.BuffersLeft,
		OldestUndecided: c.Oldest,
	}
}

// readCounts count what is rare, as it happens.
type readCounts struct {
	missed, overruns, refused, late, malformed, foreign atomic.Uint64

	lastID      atomic.Uint32 // of the packet received last, stored after missed
	unread      atomic.Uint64 // packets that Close found in the socket and left there
	lostAnswers atomic.Uint64
}

// note finds out how many answers of the kernel found no room in the receive
// buffer. drops is how many messages did not, read before row. What is not a
// packet was an answer; and how many packets were not delivered shows in their
// numbers. While packets wait to be read these look as if they were lost, so
// the result is too small for the moment, never too large.
func (c *readCounts) note(drops uint32, row KernelStats) {
	undelivered := row.LastID - c.lastID.Load() // in this order: see lastID
	undelivered += uint32(c.missed.Load()) - uint32(c.unread.Load())
	lost := int32(drops - undelivered)
	for {
		known := c.lostAnswers.Load()
		if int64(lost) <= int64(known) || c.lostAnswers.CompareAndSwap(known, uint64(lost)) {
			return
		}
	}
}
