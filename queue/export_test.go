package queue

import (
	"context"

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
