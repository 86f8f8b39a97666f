package queue

import (
	"context"
	"errors"
	"io/fs"
	"time"
)

// Open waits for an owner that is exiting. The kernel releases the queues of a
// process when it closes its sockets, which is after it has freed the memory of
// the process. Open waits shortWait for any owner, and longWait if it sees that
// the owner is exiting.
const (
	shortWait = 500 * time.Millisecond
	longWait  = 10 * time.Second
)

// A patience keeps track of how long Open has waited for an owner to exit.
type patience struct {
	q        *binding
	protocol int
	start    time.Time
}

func (q *binding) patience(protocol int) patience {
	return patience{q: q, protocol: protocol, start: time.Now()}
}

// wait waits for a short time and reports whether to try again. port is that of
// the socket that owns the queue, 0 if it is unknown.
func (p *patience) wait(ctx context.Context, port uint32) (again bool, err error) {
	waited, delay := time.Since(p.start), 10*time.Millisecond
	if waited > shortWait {
		delay = 100 * time.Millisecond // looking for the owner takes time
		if waited > longWait || !p.q.going(p.protocol, port) {
			return false, nil
		}
	}
	return true, pause(ctx, delay)
}

// going reports whether the owner, the socket with that port, is seen to be
// going away: either the kernel still has the queue but no longer the socket,
// or its process is exiting.
func (q *binding) going(protocol int, port uint32) bool {
	if port == 0 || q.cfg.NetNS != 0 {
		return false // Holder finds only sockets in the caller's namespace
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
