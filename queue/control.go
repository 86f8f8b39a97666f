package queue

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ipqueue/ipqueue/wire"
)

// repeatAfter is how long an answer may take before the request is repeated:
// the kernel loses answers when the receive buffer is full, and with
// NETLINK_NO_ENOBUFS nothing tells of it.
const repeatAfter = 250 * time.Millisecond

// A control sends requests that the kernel answers. Answers arrive among the
// packets, so whoever waits for one reads packets too, unless somebody else
// is reading already.
type control struct {
	turn   chan struct{} // holds one value while a request is under way
	seq    uint32        // of the last request
	wanted atomic.Uint64 // 1<<32 | the sequence number waited for, 0 for none
	answer chan error
}

const wanting = 1 << 32

func (c *control) init() {
	c.turn = make(chan struct{}, 1)
	c.answer = make(chan error, 1)
}

// answered takes an error message that answers the request under way.
func (c *control) answered(k kernel, e *wire.ErrorMessage) bool {
	w := c.wanted.Load()
	if w == 0 || !k.answers(e, uint32(w)) || !c.wanted.CompareAndSwap(w, 0) {
		return false
	}
	if e.Errno == 0 {
		c.answer <- nil
	} else {
		c.answer <- errno(e.Errno)
	}
	return true
}

// request sends what encode makes and waits for the kernel's answer, which it
// returns. Each repetition has a sequence number of its own.
func (q *Queue) request(ctx context.Context, encode func(seq uint32) []byte) error {
	c := &q.control
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-q.stopped:
		return ErrClosed
	}
	wake := context.AfterFunc(ctx, q.wakeReader)
	defer wake()
	for {
		c.seq++
		c.wanted.Store(wanting | uint64(c.seq))
		if err := q.writer.control([][]byte{encode(c.seq)}); err != nil {
			c.wanted.Store(0)
			return err
		}
		if err, ok := q.await(ctx); ok {
			return err
		}
	}
}

// await waits for the answer to the request under way. ok is false if there
// was none in time and nobody will take it any more.
func (q *Queue) await(ctx context.Context) (err error, ok bool) {
	late := time.NewTimer(repeatAfter)
	defer late.Stop()
	for {
		select {
		case err = <-q.control.answer:
			return err, true
		case <-ctx.Done():
			return q.giveUp(context.Cause(ctx))
		case <-q.stopped:
			return q.giveUp(ErrClosed)
		case <-late.C:
			return q.giveUp(nil)
		case q.reader.token <- struct{}{}:
			err = q.readForAnswer(ctx, repeatAfter)
			<-q.reader.token
			if err != nil {
				return q.giveUp(err)
			}
			if q.control.wanted.Load() != 0 {
				return q.giveUp(context.Cause(ctx))
			}
		}
	}
}

// giveUp stops waiting. An answer that came at the last moment is taken; err
// nil means to try again.
func (q *Queue) giveUp(err error) (error, bool) {
	if q.control.wanted.Swap(0) == 0 {
		return <-q.control.answer, true
	}
	return err, err != nil
}

// readForAnswer reads, with the token held, until the answer came, ctx ended
// or the time is over. Packets that it meets are kept for next.
func (q *Queue) readForAnswer(ctx context.Context, limit time.Duration) error {
	end := time.Now().Add(limit)
	defer q.sock.SetReadDeadline(time.Time{})
	for q.control.wanted.Load() != 0 && ctx.Err() == nil && time.Now().Before(end) {
		if !q.hasRoom() {
			return fmt.Errorf("the answer is behind more packets than MaxUndecided (%d) lets in: decide some first: %w",
				q.cfg.MaxUndecided, enobufs)
		}
		if err := q.sock.SetReadDeadline(end); err != nil {
			return ErrClosed
		}
		if err := q.fill(); err != nil {
			return ErrClosed
		}
	}
	return nil
}

// wakeReader ends a wait for packets, so that conditions are looked at again.
func (q *Queue) wakeReader() { _ = q.sock.SetReadDeadline(time.Unix(1, 0)) }

// SetMode changes how much of each further packet is copied (ipq_set_mode),
// and returns what the kernel answered. It waits for that answer until ctx
// ends; after a loss it asks again. It may be called from the loop that ranges
// over the packets, whether or not the channel is full; packets that arrive
// meanwhile are kept, in order.
//
// Errors: ErrInvalid for an unknown mode, ErrClosed, the cause of ctx's end, or
// the kernel's errno; also ENOBUFS if the answer lies behind more packets than
// Config.MaxUndecided leaves room for.
func (q *Queue) SetMode(ctx context.Context, m Mode) error {
	if err := m.check(); err != nil {
		return q.opError("set mode", err)
	}
	return q.opError("set mode", q.request(ctx, func(seq uint32) []byte {
		return q.kernel.appendMode(nil, seq, m)
	}))
}
