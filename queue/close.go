package queue

import (
	"errors"
	"time"

	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/wire"
)

// closeOut gives every packet its end. It holds the reader's token.
func (q *Queue) closeOut() {
	_ = q.sock.SetReadDeadline(time.Time{})
	accept := q.cfg.OnClose == Accept
	_ = q.writer.closeTap(q.kernel.stop(accept))
	rest := q.kernel.acceptAll()
	if accept && rest == nil {
		q.readOut(func(d *sock.Datagram) { q.datagram(d, q.now()) })
	}
	q.writer.decideAll(accept && rest == nil)
	if accept && rest != nil {
		_ = q.writer.closeTap([][]byte{rest})
	}
	q.readOut(q.lateReply)
	q.lastStatus = q.kernelStatus()
	q.writer.finish()
}

// readOut reads what the socket still holds. The kernel adds no packets any
// more; the bound is for other processes that might send.
func (q *Queue) readOut(handle func(*sock.Datagram)) {
	r := &q.reader
	for range 1 << 12 {
		n, err := q.sock.Receive(r.batch[:], func() bool { return false })
		if n == 0 && !errors.Is(err, enobufs) {
			return
		}
		for i := range r.batch[:n] {
			handle(&r.batch[i])
		}
		q.link(n)
		clear(r.ready)
		r.ready = r.ready[:0]
	}
}

// lateReply handles what the kernel said to the last verdicts. Packets that
// come with it were never received: the kernel decides them when the socket
// closes.
func (q *Queue) lateReply(d *sock.Datagram) {
	var h wire.Header
	if _, err := h.Parse(q.kernel.layout(), d.Buf[:d.N]); err == nil && h.Type == wire.NLMsgError {
		q.datagram(d, 0)
	}
}

// maxTries is how often Close goes on trying while the kernel has no memory for
// the last verdicts.
const maxTries = 100

// decideAll waits for claims that were made before the queue began to close,
// which are bounded by a copy and a checksum, takes all other packets and sends
// the verdicts that there are.
func (w *writer) decideAll(accept bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for !w.takeAll(accept) {
		w.idle.Wait()
	}
	for tries := 0; tries < maxTries && w.waiting > 0 && !w.dead; {
		if w.sending {
			w.idle.Wait()
			continue
		}
		before := w.waiting
		if w.flush(maxSends); w.waiting >= before {
			tries++
			w.mu.Unlock()
			time.Sleep(retryDelay)
			w.mu.Lock()
		}
	}
	for w.sending {
		w.idle.Wait()
	}
}

// takeAll takes all packets that are open, and reports whether nobody else
// has a claim. Those taken are accepted, or left to the kernel.
func (w *writer) takeAll(accept bool) bool {
	free := true
	var next *slot
	for s := w.arrivals.oldest; s != nil; s = next {
		next = s.next
		taken, busy := s.take()
		switch {
		case taken && accept:
			s.action, s.cause = Accept, byClose
			_ = w.push(s)
		case taken:
			s.state = decided
		case busy:
			free = false
		}
	}
	return free
}

// finish makes the writer refuse what may still come, and waits for a send
// that is under way.
func (w *writer) finish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.finished = true
	for w.sending {
		w.idle.Wait()
	}
	w.timer.Stop()
	w.deadline.Stop()
	w.count.abandoned += uint64(w.arrivals.n)
	w.count.actions[w.q.cfg.OnClose] += uint64(w.arrivals.n)
	w.arrivals = arrivals{}
}
