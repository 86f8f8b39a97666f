package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/ipqueue/ipqueue/wire"
)

// Requests are what the kernel answers. Answers arrive among the packets, so
// whoever waits for one reads packets too, unless somebody else is reading.

// repeatAfter is how long an answer may take before the request is repeated:
// the kernel loses answers when the receive buffer is full, and with
// NETLINK_NO_ENOBUFS nothing tells of it.
const repeatAfter = 250 * time.Millisecond

// asked is set in reader.wanted while an answer is waited for.
const asked = 1 << 32

// ask sends what encode makes and waits for the kernel's answer, which it
// returns. Each repetition has a sequence number of its own.
func (r *reader) ask(ctx context.Context, encode func(seq uint32) []byte) error {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return endOf(ctx)
	case <-r.life.stopped:
		return ErrClosed
	}
	stop := context.AfterFunc(ctx, r.wake)
	defer stop()
	for {
		r.seq++
		r.wanted.Store(asked | uint64(r.seq))
		if err := r.ledger.Request(encode(r.seq)); err != nil {
			r.wanted.Store(0)
			return err
		}
		if err, ok := r.await(ctx); ok {
			return err
		}
	}
}

// answered takes an error message that answers the request under way.
func (r *reader) answered(e *wire.ErrorMessage) bool {
	w := r.wanted.Load()
	if w == 0 || !r.backend.answers(e, uint32(w)) || !r.wanted.CompareAndSwap(w, 0) {
		return false
	}
	if e.Errno == 0 {
		r.answers <- nil
	} else {
		r.answers <- errno(e.Errno)
	}
	return true
}

// await waits for the answer to the request under way. ok is false if there
// was none in time and nobody will take it any more.
func (r *reader) await(ctx context.Context) (err error, ok bool) {
	late := time.NewTimer(repeatAfter)
	defer late.Stop()
	for {
		select {
		case err = <-r.answers:
			return err, true
		case <-ctx.Done():
			return r.giveUp(endOf(ctx))
		case <-r.life.stopped:
			return r.giveUp(ErrClosed)
		case <-late.C:
			return r.giveUp(nil)
		case r.token <- struct{}{}:
			err = r.readForAnswer(ctx, repeatAfter)
			r.release()
			if err != nil {
				return r.giveUp(err)
			}
			if r.wanted.Load() != 0 {
				return r.giveUp(endOf(ctx))
			}
		}
	}
}

// giveUp stops waiting. An answer that came at the last moment is taken; err
// nil means to try again.
func (r *reader) giveUp(err error) (error, bool) {
	if r.wanted.Swap(0) == 0 {
		return <-r.answers, true
	}
	return err, err != nil
}

// readForAnswer reads, with the token held, until the answer came, ctx ended
// or the time is over. Packets that it meets are kept for next.
func (r *reader) readForAnswer(ctx context.Context, limit time.Duration) error {
	end := time.Now().Add(limit)
	defer r.sock.SetReadDeadline(time.Time{})
	for r.wanted.Load() != 0 && ctx.Err() == nil && time.Now().Before(end) {
		if !r.hasRoom() {
			return fmt.Errorf("the answer is behind more packets than MaxUndecided (%d) lets in: decide some first: %w",
				r.cfg.MaxUndecided, enobufs)
		}
		if err := r.sock.SetReadDeadline(end); err != nil {
			return ErrClosed
		}
		if err := r.fill(r.mayWait); err != nil {
			return ErrClosed
		}
	}
	return nil
}

// setMode asks the kernel for another mode, with buffers that fit its messages.
func (r *reader) setMode(ctx context.Context, m Mode) error {
	if err := r.enlarge(ctx, messageSize(&r.cfg, m)); err != nil {
		return err
	}
	return r.ask(ctx, func(seq uint32) []byte { return r.backend.appendMode(nil, seq, m) })
}

// enlarge has all later reads use buffers of at least that size: whoever reads
// sees the size before the next read, which the wake brings about.
func (r *reader) enlarge(ctx context.Context, size int) error {
	b := &r.buffers
	for {
		want := b.wanted.Load()
		if want >= int64(size) || b.wanted.CompareAndSwap(want, int64(size)) {
			break
		}
	}
	for woken := false; b.size.Load() < int64(size); woken = true {
		if !woken {
			r.wake()
		}
		select {
		case r.token <- struct{}{}:
			b.next(1)
			r.release()
		case <-b.resized:
		case <-ctx.Done():
			return endOf(ctx)
		case <-r.life.stopped:
			return ErrClosed
		}
	}
	return nil
}
