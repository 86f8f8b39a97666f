package queue

import (
	"context"
	"errors"
	"time"

	"github.com/ipqueue/ipqueue/internal/ledger"
)

// Close ends the queue. It sends the verdicts already given, gives
// Config.OnClose to packets without a verdict, ends the stream of packets and
// releases the kernel's queue. With OnClose Accept on ip_queue, the kernel
// drops packets that arrive during the call, because it cannot let them pass.
//
// Close never waits for the program. It may be called from anywhere, including
// the body of a loop over the packets, and more than once. It always returns
// nil.
func (q *Queue) Close() error {
	q.life.because(nil)
	q.shut()
	return nil
}

// fail ends the queue because of an error. It takes no lock of the reader or
// the ledger, so that either may call it.
func (q *Queue) fail(op string, err error) {
	q.life.failure(q.opError(op, err))
	go q.shut()
}

// watch ends the queue with ctx.
func (q *Queue) watch(ctx context.Context) {
	q.life.endBy(func() (disarm func() bool) {
		return context.AfterFunc(ctx, func() { q.contextEnded(ctx) })
	})
}

// contextEnded has the kernel queue nothing more; what it queued can still be
// read and decided. The reader is told after that, so that what it finds when
// it has read the socket empty is all there will be. If the kernel cannot be
// told, it would go on queueing: then the queue closes at once.
func (q *Queue) contextEnded(ctx context.Context) {
	q.life.because(q.opError("read", causeOf(ctx)))
	err := q.ledger.LastRequest(q.backend.stop(q.cfg.OnClose == Accept))
	if err != nil && !errors.Is(err, ErrClosed) {
		q.life.instead(q.opError("stop", q.explain(err)))
		q.shut()
		return
	}
	if !q.life.advance(draining) {
		return
	}
	q.reader.wake()
	if q.cfg.Grace > 0 {
		q.life.endBy(func() (disarm func() bool) { return time.AfterFunc(q.cfg.Grace, q.shut).Stop })
	}
}

// shut closes the queue and returns when it is closed, whoever did it.
func (q *Queue) shut() {
	if !q.life.advance(closing) {
		<-q.life.done
		return
	}
	q.ledger.Shut()
	q.life.disarmed()
	q.life.streamEnded()
	close(q.life.stopped)
	q.reader.wake()
	q.reader.token <- struct{}{}
	q.keeper.stop()
	q.reader.buffers.stop()
	q.settle()
	q.links.close()
	_ = q.reader.sock.Close()
	<-q.reader.token
	q.stream.empty()
	close(q.life.done)
}

// settle gives every packet its end. The caller holds the reader's token.
func (q *Queue) settle() {
	_ = q.reader.sock.SetReadDeadline(time.Time{})
	accept := q.cfg.OnClose == Accept
	_ = q.ledger.LastRequest(q.backend.stop(accept))
	left := ledger.Action(0)
	if accept {
		left = ledger.Action(Accept)
	}
	sent := q.ledger.Settle(left)
	if rest := q.backend.acceptAll(q.status()); accept && sent && rest != nil {
		// The kernel holds nothing more but what was never read.
		_ = q.ledger.LastRequest([][]byte{rest})
	} else if accept {
		q.reader.readOut(q.reader.received)
		q.ledger.Settle(left)
	}
	q.reader.readOut(q.reader.lateReply)
	q.lastStatus = q.status()
	q.ledger.Close(ledger.Action(Drop)) // which is what the kernel does with the rest
}
