package queue

import (
	"sync/atomic"
	"time"

	"github.com/ipqueue/ipqueue/internal/ledger"
)

// Stats contains the counters of a queue since Open. They add up:
//
//	Received = Decided + Undecided + Expired + Overflowed + Damaged + Gone + Abandoned
type Stats struct {
	// Received counts packets read from the kernel whose id could be read.
	Received uint64
	// Decided counts packets whose verdict the program gave and the queue has
	// sent.
	Decided uint64
	// Undecided is the number of packets that wait for a verdict, or whose
	// verdict has not been sent yet.
	Undecided uint64
	// Expired counts packets that Config.Deadline decided.
	Expired uint64
	// Overflowed counts packets that Config.WhenFull decided.
	Overflowed uint64
	// Damaged counts packets that Config.OnDeadline decided because their
	// message was truncated or could not be decoded.
	Damaged uint64
	// Gone counts packets that ip_queue dropped before their verdict. The queue
	// notices this when the kernel uses the id again. On Linux 3.4 a full queue
	// is not a cause: see Kernel.QueueDropped.
	Gone uint64
	// Abandoned counts packets that were undecided when the queue closed.
	Abandoned uint64

	// Accepted, Dropped, Repeated, Stopped and Requeued count packets by the
	// action of their verdict, no matter who gave it. Abandoned packets count
	// by Config.OnClose. Replaced counts packets that a verdict replaced.
	Accepted, Dropped, Repeated, Stopped, Requeued, Replaced uint64

	// Missed counts packets that the kernel numbered for this queue but could
	// not deliver, because the receive buffer was full: it dropped them or, with
	// Config.FailOpen, accepted them. The count comes from gaps in the ids, so
	// it requires no privilege. Only nfnetlink_queue numbers packets. It does
	// not number those that find its queue full (Kernel.QueueDropped).
	Missed uint64
	// Overruns counts how often the kernel reported a full receive buffer
	// (ENOBUFS). Open turns these reports off for nfnetlink_queue, where Missed
	// and Kernel.SocketDropped count the packets.
	Overruns uint64
	// Refused counts verdicts that the kernel refused. Late counts those among
	// them for which the kernel no longer had the packet (ENOENT). Without
	// Config.OnRefused the kernel does not report all refusals: if it carries
	// out a part of a batch verdict, it reports nothing about the rest.
	Refused, Late uint64
	// LostAnswers counts answers of the kernel that did not fit in the receive
	// buffer. Nearly all are refusals of verdicts, which Refused and OnRefused
	// then miss; without Config.OnRefused, one answer may refuse several
	// verdicts. While packets wait to be read, the number may be too small;
	// after Close it is exact. It is 0 with ip_queue, before Linux 4.12, and if
	// Kernel.Err is set, because the row of the kernel is needed to compute it.
	LostAnswers uint64
	// CallsSkipped counts calls of Config.OnRefused and Config.OnExpired that
	// were left out because 65536 calls waited.
	CallsSkipped uint64
	// ConntrackSkipped counts verdicts that were sent without all or part of
	// their Verdict.Conntrack, because the packet had no entry, or an entry
	// that does not allow the change.
	ConntrackSkipped uint64
	// Malformed counts messages that could not be decoded and contained no id.
	Malformed uint64
	// Foreign counts messages that another process sent to the socket before
	// Open made the kernel refuse them. The queue ignores them.
	Foreign uint64
	// SendRetries counts how often the kernel had no memory for verdicts, so
	// that the queue sent them again later.
	SendRetries uint64
	// BuffersLeft counts buffers that the queue does not reuse, because
	// Config.Deadline decided the packet while the program may have been
	// reading it. The garbage collector frees them.
	BuffersLeft uint64

	// OldestUndecided is the age of the packet that has waited longest. It
	// requires Config.Deadline or Config.TrackAge, and is 0 otherwise.
	OldestUndecided time.Duration
	// ReadBuffer is the size of the socket's receive buffer in bytes, as the
	// kernel counts it: twice the requested size, if that was granted.
	ReadBuffer int

	// Kernel contains the counters of the kernel.
	Kernel KernelStats
}

// KernelStats is the row of a queue in /proc/net/netfilter/nfnetlink_queue, or
// the content of /proc/net/ip_queue or /proc/net/ip6_queue. The counters wrap
// at 32 bits. After Close, they are those just before the queue was closed.
//
// nfnetlink_queue numbers a packet before it counts it as Pending or
// SocketDropped, and a reader of the row does not wait for that (linux 6.1:
// net/netfilter/nfnetlink_queue.c, __nfqnl_enqueue_packet and seq_show). So
// while packets arrive, the counters of one row need not add up: in a test on
// Linux 6.1, LastID was one ahead of the others.
type KernelStats struct {
	// Err is the reason why the row could not be read; the other fields are
	// then zero. For nfnetlink_queue, only root and group root may read it;
	// CAP_NET_ADMIN does not suffice. Without it, Stats.Missed still counts
	// what SocketDropped counts, but nothing counts QueueDropped.
	Err error
	// Pending is the number of packets that wait for a verdict in the kernel,
	// including those not read yet.
	Pending uint32
	// QueueDropped counts packets that the kernel dropped because the queue was
	// full (ip_queue: Linux 2.6.18 and later).
	QueueDropped uint32
	// SocketDropped counts packets that the kernel dropped because the receive
	// buffer was full (ip_queue: Linux 2.6.18 and later).
	SocketDropped uint32
	// LastID is the id of the most recent packet. It is 0 with ip_queue.
	LastID uint32
}

// statsOf combines the counters of the ledger and of the reader.
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

// readCounts are the counters of the reader. They count rare events.
type readCounts struct {
	missed, overruns, refused, late, malformed, foreign atomic.Uint64

	lastID      atomic.Uint32 // id of the last packet received; stored after missed
	unread      atomic.Uint64 // packets that Close found in the socket and did not receive
	lostAnswers atomic.Uint64
}

// delivered returns how many packets the kernel has put into the receive
// buffer, as far as is known. The number wraps at 32 bits, as the ids do.
func (c *readCounts) delivered() uint32 {
	last := c.lastID.Load() // loaded before missed: see lastID
	return last - uint32(c.missed.Load()) + uint32(c.unread.Load())
}

// note updates the number of lost answers. drops is the number of messages that
// did not fit in the receive buffer. Those that were not packets were answers,
// and the ids show how many packets were not delivered. drops and delivered were
// read before row. Packets that still wait to be read look like lost ones, so
// the result may be too small for the moment, but never too large.
func (c *readCounts) note(drops, delivered uint32, row KernelStats) {
	lost := int32(drops - (row.LastID - delivered))
	for {
		known := c.lostAnswers.Load()
		if int64(lost) <= int64(known) || c.lostAnswers.CompareAndSwap(known, uint64(lost)) {
			return
		}
	}
}
