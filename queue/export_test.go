package queue

import (
	"context"
	"slices"

	"github.com/ipqueue/ipqueue/internal/ledger"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/wire"
)

// OpenLayout opens ip_queue of a kernel with the given layout. It also works
// with the other byte order, which no real kernel on this host can have.
func OpenLayout(ctx context.Context, c Config, l wire.Layout) (*Queue, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	i := newIPQueue(&c)
	i.words, i.known = l, true
	q := newQueue(c, sock.KernelFrom(ctx), i, i.name())
	return q.opened(ctx, q.open(ctx, i.socket(&c)))
}

// AddStats adds one queue's counters to a sum.
func AddStats(sum, one *Stats) { sum.add(one) }

// SendVerdict sends an Accept for any id, past the bookkeeping.
func SendVerdict(q *Queue, id uint64) error {
	return q.ledger.Request(q.backend.AppendVerdict(nil, id, ledger.Verdict{Action: ledger.Action(Accept)}))
}

// A SentPacket is a packet with that sequence number of one of two queues.
type SentPacket struct {
	Queue int
	Seq   uint64
}

// Sweep sends packets to a channel, and removes those that have expired: of each
// queue those up to a sequence number. It returns the others, and how many of
// them were taken out and sent again. It does all of that twice, so that packets
// have been received before.
func Sweep(packets []SentPacket, expired [2]uint64) (left []SentPacket, moved int) {
	c, _ := Config{}.complete()
	var queues [2]*Queue
	for i := range queues {
		queues[i] = newQueue(c, nil, newNFQueue(&c), "")
		queues[i].stream.expired.Store(expired[i])
	}
	o := newOutlet(len(packets)+1, true, true)
	for range 2 {
		before := o.sent
		for _, p := range packets {
			q := queues[p.Queue]
			packet := Packet{slot: q.ledger.Spent(), seq: p.Seq}
			o.to <- packet
			o.note(&q.stream, &packet)
		}
		o.sweep()
		moved = int(o.sent-before) - len(packets)
		left = nil
		for len(o.to) > 0 {
			p := <-o.to
			left = append(left, SentPacket{slices.Index(queues[:], p.Queue()), p.seq})
		}
	}
	return left, moved
}
