package queue

import (
	"context"
	"errors"
	"io/fs"
	"time"
)

// Open waits for an owner that is going: a process gives up its queues when the
// kernel closes its sockets, which is after its last system call, and after its
// memory is freed. An owner that nobody can tell to be going gets ownerDying;
// one that is gets ownerGoing.
const (
	ownerDying = 500 * time.Millisecond
	ownerGoing = 10 * time.Second
)

// A patience is how long Open has waited for an owner to go.
type patience struct {
	q        *binding
	protocol int
	start    time.Time
}

func (q *binding) patience(protocol int) patience {
	return patience{q: q, protocol: protocol, start: time.Now()}
}

// wait waits a little and reports whether it is worth while to try again: the
// queue belongs to the socket of that port, 0 if that is not known.
func (p *patience) wait(ctx context.Context, port uint32) (again bool, err error) {
	waited, delay := time.Since(p.start), 10*time.Millisecond
	if waited > ownerDying {
		delay = 100 * time.Millisecond // to look for the owner takes time
		if waited > ownerGoing || !p.q.going(p.protocol, port) {
			return false, nil
		}
	}
	return true, pause(ctx, delay)
}

// going reports whether the owner of the socket of that port is seen to go: the
// kernel has the queue, but the socket no longer, or its process is exiting.
func (q *binding) going(protocol int, port uint32) bool {
	if port == 0 || q.cfg.NetNS != 0 {
		return false // Holder sees the caller's namespace only
	}
	p, err := q.host.Holder(protocol, port)
	return p.Exiting || errors.Is(err, fs.ErrNotExist)
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return endOf(ctx)
	case <-time.After(d):
		return nil
	}
}
