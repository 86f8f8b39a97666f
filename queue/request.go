package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/ipqueue/ipqueue/wire"
)

// A request is a message that the kernel answers. Answers arrive among the
// packets, so a goroutine that waits for one also reads packets, unless another
// goroutine is reading.

// repeatAfter is how long to wait for an answer before the request is repeated.
// The kernel loses answers when the receive buffer is full, and with
// NETLINK_NO_ENOBUFS it does not report that.
const repeatAfter = 250 * time.Millisecond

// shareEvery is how long a goroutine that waits for an answer keeps the token
// while packets are ready that it does not deliver: another goroutine may be
// waiting for the token to do that.
const shareEvery = time.Millisecond

// asked is a bit that is set in reader.wanted while a request waits for its
// answer.
const asked = 1 << 32

// ask sends the request that encode returns, and returns the kernel's answer.
// Each repetition has a new sequence number.
func (r *reader) ask(ctx context.Context, encode func(seq uint32) []byte) error {
	if ctx.Err() != nil {
		return endOf(ctx) // select might choose another case
	}
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

// answered passes an error message on if it answers the present request, and
// reports whether it does.
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

// await waits for the answer to the present request. ok is false if there was
// none in time; then the request must be repeated.
func (r *reader) await(ctx context.Context) (err error, ok bool) {
	end := time.Now().Add(repeatAfter)
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
			err = r.readForAnswer(ctx, end)
			r.release()
			if err != nil {
				return r.giveUp(err)
			}
		}
	}
}

// giveUp stops waiting with err, unless the answer has just arrived. If err is
// nil, the request must be repeated.
func (r *reader) giveUp(err error) (error, bool) {
	if r.wanted.Swap(0) == 0 {
		return <-r.answers, true
	}
	return err, err != nil
}

// readForAnswer makes one read, with the token held, unless the answer has
// arrived or ctx has ended. It waits for packets until end at most. It keeps
// packets for next.
func (r *reader) readForAnswer(ctx context.Context, end time.Time) error {
	if r.wanted.Load() == 0 {
		return nil
	}
	if share := time.Now().Add(shareEvery); len(r.ready) > 0 && share.Before(end) {
		end = share
	}
	defer r.sock.SetReadDeadline(time.Time{})
	if err := r.sock.SetReadDeadline(end); err != nil {
		return ErrClosed
	}
	if ctx.Err() != nil { // if ctx ends after this, its wake replaces the deadline
		return nil
	}
	if !r.hasRoom() {
		return fmt.Errorf("the answer is behind more packets than MaxUndecided (%d) allows: decide some first: %w",
			r.cfg.MaxUndecided, enobufs)
	}
	if err := r.fill(r.mayWait); err != nil {
		return ErrClosed
	}
	return nil
}

// setMode requests another mode, after enlarging the buffers for its messages.
func (r *reader) setMode(ctx context.Context, m Mode) error {
	if err := r.enlarge(ctx, messageSize(&r.cfg, m)); err != nil {
		return err
	}
	return r.ask(ctx, func(seq uint32) []byte { return r.backend.appendMode(nil, seq, m) })
}

// enlarge makes all later reads use buffers of at least that size. It returns
// when the reader, woken by it, has seen the new size.
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
