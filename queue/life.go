package queue

import (
	"context"
	"reflect"
	"sync"
	"time"
)

// A queue's life goes through these in order and never back.
const (
	running  int32 = iota
	draining       // the context ended: no new packets, those received may be decided
	closing        // no verdicts any more
)

// An ending is how a queue's life ended, or will.
type ending struct {
	mu    sync.Mutex
	err   error // what Err returns
	known bool
	over  bool // the stream has ended: Err may tell

	disarm func() bool   // of the context or, when that has ended, of Config.Grace; nil before Open returns
	done   chan struct{} // closed when nothing is left to do
}

// settle records why the stream ends. The first reason counts.
func (e *ending) settle(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.known {
		e.known, e.err = true, err
	}
}

// Err says why the stream ended: nil after Close or the plain cancellation of
// the context, the context's cause if it ended otherwise (by a deadline, say),
// else what went wrong. It is final once the channel is closed or the loop
// over All has ended by itself, and nil before.
func (q *Queue) Err() error {
	q.ending.mu.Lock()
	defer q.ending.mu.Unlock()
	if !q.ending.over {
		return nil
	}
	return q.ending.err
}

// isOver reports whether the stream has ended.
func (e *ending) isOver() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.over
}

// reason is what Err will return, as far as it is known.
func (e *ending) reason() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

// reached says that the stream has ended.
func (e *ending) reached() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.over = true
}

// advance moves the queue's life on to state and reports whether this call
// did it.
func (q *Queue) advance(state int32) bool {
	for {
		now := q.life.Load()
		if now >= state {
			return false
		}
		if q.life.CompareAndSwap(now, state) {
			return true
		}
	}
}

// fail ends the stream because of an error. It takes no lock of the reader or
// the writer, so that either may call it.
func (q *Queue) fail(op string, err error) {
	q.ending.settle(q.opError(op, err))
	go q.finish()
}

// watch ends the queue with ctx.
func (q *Queue) watch(ctx context.Context) {
	q.arm(func() (disarm func() bool) {
		return context.AfterFunc(ctx, func() { q.contextEnded(ctx) })
	})
}

// arm calls start for something that will end the queue, and has it disarmed
// as soon as the queue has ended otherwise: it would keep the queue's memory.
func (q *Queue) arm(start func() (disarm func() bool)) {
	q.ending.mu.Lock()
	defer q.ending.mu.Unlock()
	q.ending.disarm = start()
	if q.life.Load() >= closing {
		q.ending.disarm()
	}
}

// disarmed disarms what was to end the queue.
func (e *ending) disarmed() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.disarm != nil {
		e.disarm()
	}
}

// contextEnded closes the tap: the kernel queues nothing more, what it queued
// can still be read and decided. The reader is told after that, so that what it
// finds when it has read the socket empty is all there will be.
func (q *Queue) contextEnded(ctx context.Context) {
	q.ending.settle(q.opError("read", causeOf(ctx)))
	_ = q.writer.closeTap(q.kernel.stop(q.cfg.OnClose == Accept))
	if !q.advance(draining) {
		return
	}
	q.wakeReader()
	if q.cfg.Grace > 0 {
		q.arm(func() (disarm func() bool) { return time.AfterFunc(q.cfg.Grace, q.finish).Stop })
	}
}

// causeOf is why ctx ended, nil for a plain cancellation. A signal that
// signal.NotifyContext waited for is one, although since Go 1.26 it sets a
// cause, of a type that it does not export.
func causeOf(ctx context.Context) error {
	cause := context.Cause(ctx)
	if cause == context.Canceled || reflect.TypeOf(cause).PkgPath() == "os/signal" {
		return nil
	}
	return cause
}

// streamEnded is the reader's: all that was received has been handed over.
func (q *Queue) streamEnded() {
	w := &q.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drained = true
	w.flowing = false
	w.flushUnlessSending()
	w.endIfDrained()
}

// endIfDrained closes the queue when there is nothing left to decide.
func (w *writer) endIfDrained() {
	if w.drained && w.arrivals.n == 0 {
		w.drained = false
		go w.q.finish()
	}
}

// Close ends the queue: verdicts already given are sent, packets that are
// undecided get Config.OnClose, the stream ends and the kernel's queue is
// released. With OnClose Accept on ip_queue, packets that arrive during the
// call are dropped by the kernel, which has no way to let them pass.
//
// Close never waits for the application, may be called from anywhere, a loop
// over the packets included, and more than once. It returns nil.
func (q *Queue) Close() error {
	q.ending.settle(nil)
	q.finish()
	return nil
}

// finish closes the queue and returns when it is closed, whoever did it.
func (q *Queue) finish() {
	if !q.advance(closing) {
		<-q.ending.done
		return
	}
	q.ending.disarmed()
	q.ending.reached()
	close(q.stopped)
	q.wakeReader()
	q.reader.token <- struct{}{}
	q.closeOut()
	q.links.close()
	_ = q.sock.Close()
	<-q.reader.token
	q.emptyChannel()
	close(q.ending.done)
}

// emptyChannel waits for the end of the reader's goroutine, and takes the
// packets that can no longer be decided out of the channel, so that a loop over
// it ends at once.
func (q *Queue) emptyChannel() {
	switch q.use.Load() {
	case byChannel:
		<-q.streamed
		for range q.packets {
		}
	case byGroup:
		<-q.streamed // the group empties its channel
	}
}
