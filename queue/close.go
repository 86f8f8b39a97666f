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

// fail closes the queue because of an error. It takes no lock of the reader or
// the ledger, so either may call it.
func (q *Queue) fail(op string, err error) {
	q.life.failure(q.opError(op, err))
	go q.shut()
}

// watch makes the end of ctx end the queue.
func (q *Queue) watch(ctx context.Context) {
	q.life.endBy(func() (disarm func() bool) {
		return context.AfterFunc(ctx, func() { q.contextEnded(ctx) })
	})
}

// contextEnded tells the kernel to queue no more packets; those that it has
// queued can still be read and decided. Only then does it wake the reader: when
// the reader finds the socket empty, there will be no more packets. If the
// request fails, the kernel would go on queueing, so contextEnded closes the
// queue.
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

// shut closes the queue. If another call is already doing so, it waits for
// that.
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

// settle ends every packet. The caller holds the reader's token.
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
		// The kernel has only packets that were never read.
		_ = q.ledger.LastRequest([][]byte{rest})
	} else if accept {
		q.reader.readOut(q.reader.received)
		q.ledger.Settle(left)
	}
	q.reader.readOut(q.reader.lateReply)
	q.lastStatus = q.status()
	q.ledger.Close(ledger.Action(Drop)) // the kernel drops the rest when the socket closes
}
