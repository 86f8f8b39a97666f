package queue

import (
	"context"

	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/wire"
)

// OpenLayout opens ip_queue of a kernel with that layout, even one of the other
// byte order, which no host can have.
func OpenLayout(ctx context.Context, c Config, l wire.Layout) (*Queue, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	i := newIPQueue(&c)
	i.words, i.known = l, true
	q := newQueue(c, i, i.name())
	q.writer.ids = newIDs()
	return q.opened(ctx, q.open(ctx, sock.KernelFrom(ctx), i.socket(&c)))
}
