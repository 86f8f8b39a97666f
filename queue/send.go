package queue

import (
	"errors"
)

// flush sends what waits, and what comes to wait meanwhile, in at most that
// many sends. The caller holds mu, which is released during each send, and
// nobody is sending. What is left then is for the timer, which has its own
// goroutine and sends all.
func (w *writer) flush(sends int) {
	w.sending = true
	more := true
	for ; more && w.waiting > 0 && sends > 0; sends-- {
		more = w.sendRun()
	}
	w.sending = false
	w.idle.Broadcast()
	switch {
	case w.waiting == 0:
		w.disarm()
	case more:
		w.armed = true
		w.timer.Reset(0)
	}
}

// sendRun makes one send of what waits. It returns false when it is no use to
// go on at once.
func (w *writer) sendRun() bool {
	run := w.pop()
	if len(run) == 0 {
		return true
	}
	w.mu.Unlock()
	w.encode(run)
	sent, err := w.q.sock.Send(w.datagrams)
	n := 0
	for _, c := range w.counts[:sent] {
		n += c
	}
	w.mu.Lock()
	w.settle(run[:n])
	if rest := run[n:]; len(rest) > 0 {
		return w.sendFailed(rest, w.counts[sent], err)
	}
	return true
}

// pop takes the next verdicts to send off the waiting line: up to limit, and
// no more bytes than belong into one send.
func (w *writer) pop() []*slot {
	n, size := 0, 0
	for s := w.first; s != nil && n < w.limit && size < maxSmall; s = w.first {
		w.first = s.behind
		s.behind = nil
		w.waiting--
		if s.succeeded {
			w.forget(s)
			continue
		}
		w.run[n] = s
		n++
		size += max(len(s.out), sizeVerdict)
	}
	if w.first == nil {
		w.last = nil
	}
	w.alike = w.countAlike(w.run[:n])
	return w.run[:n]
}

// minAlike is how many verdicts are worth a batch verdict instead.
const minAlike = 2

// countAlike returns how many verdicts at the start of run may be given as one
// batch verdict. It decides every packet of the queue up to its id, so these
// must be the oldest that have no verdict yet, one after the other, and after a
// gap in the ids the socket must have been found empty: until then the packets
// of the gap might still be on their way.
func (w *writer) countAlike(run []*slot) int {
	if !w.batches {
		return 0
	}
	oldest, n := w.arrivals.oldest, 0
	for _, s := range run {
		if s != oldest || !s.alike(run[0]) || s.gap && s.seq > w.emptyAt {
			break
		}
		n++
		oldest = oldest.next
	}
	if n < minAlike {
		return 0
	}
	return n
}

// alike reports whether the verdicts of s and t say the same, and no more than
// a batch verdict can.
func (s *slot) alike(t *slot) bool {
	return len(s.out) == 0 && s.action == t.action && (s.action == Accept || s.action == Drop)
}

// pushBack puts verdicts that were not sent before those that wait.
func (w *writer) pushBack(run []*slot) {
	for i := len(run) - 1; i >= 0; i-- {
		s := run[i]
		s.behind = w.first
		w.first = s
		if w.last == nil {
			w.last = s
		}
		w.waiting++
	}
}

// encode writes the messages of a run as datagrams: one for all small ones
// that follow each other, or one each, as the kernel queue wants it.
func (w *writer) encode(run []*slot) {
	w.buf, w.datagrams, w.counts = w.buf[:0], w.datagrams[:0], w.counts[:0]
	k := w.q.kernel
	start, count := 0, 0 // of the datagram being written
	if n := w.alike; n > 0 {
		w.buf = k.appendBatch(w.buf, run[n-1].id, run[0].action, n)
		run, count = run[n:], n
	}
	for _, s := range run {
		if large := len(s.out) > largeOut; large || k.oneEach() {
			start, count = w.endDatagram(start, count)
			if large {
				k.stamp(s.out)
				w.datagrams = append(w.datagrams, s.out)
				w.counts = append(w.counts, 1)
				continue
			}
		}
		w.appendVerdict(s)
		count++
	}
	w.endDatagram(start, count)
}

// endDatagram closes the datagram of count verdicts that starts at start, and
// returns where the next one starts.
func (w *writer) endDatagram(start, count int) (next, zero int) {
	if count > 0 {
		w.datagrams = append(w.datagrams, w.buf[start:])
		w.counts = append(w.counts, count)
		w.align()
	}
	return len(w.buf), 0
}

// appendVerdict appends the message of s, on a four-byte boundary.
func (w *writer) appendVerdict(s *slot) {
	w.align()
	if len(s.out) == 0 {
		w.buf = w.q.kernel.appendAction(w.buf, s.id, s.action)
		return
	}
	at := len(w.buf)
	w.buf = append(w.buf, s.out...)
	w.q.kernel.stamp(w.buf[at:])
}

func (w *writer) align() {
	for len(w.buf)&3 != 0 {
		w.buf = append(w.buf, 0)
	}
}

// settle ends the life of slots whose verdicts the kernel took.
func (w *writer) settle(run []*slot) {
	for i, s := range run {
		w.count.decided(s)
		w.release(s)
		run[i] = nil
	}
	w.endIfDrained()
}

// sendFailed deals with verdicts the kernel did not take, the first count of
// which were in the datagram that failed with err.
func (w *writer) sendFailed(rest []*slot, count int, err error) bool {
	switch {
	case errors.Is(err, emsgsize) && count > 1:
		w.pushBack(rest)
		w.limit = max(1, w.limit/2)
		return true
	case errors.Is(err, emsgsize):
		w.refuseUnsent(rest[0], err)
		w.pushBack(rest[1:])
		return true
	case errors.Is(err, enobufs), errors.Is(err, eagain), errors.Is(err, enomem):
		w.count.sendRetries++
		w.pushBack(rest)
		w.arm(retryDelay)
		return false
	}
	w.pushBack(rest)
	w.dead = true
	w.q.fail("verdict", w.q.explain(err))
	return false
}

// refuseUnsent gives up a verdict that no send can carry.
func (w *writer) refuseUnsent(s *slot, err error) {
	w.q.tellRefused(s.id, err)
	w.count.decided(s)
	w.count.read.Refused++
	w.release(s)
}

// control sends requests that are not verdicts, in turn with them, until the
// tap is closed.
func (w *writer) control(datagrams [][]byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.sending {
		w.idle.Wait()
	}
	if w.tapClosed {
		return ErrClosed
	}
	return w.sendControl(datagrams)
}

// closeTap sends the requests after which the kernel queues nothing more.
// control can then no longer undo it.
func (w *writer) closeTap(datagrams [][]byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.sending {
		w.idle.Wait()
	}
	w.tapClosed = true
	if w.finished {
		return ErrClosed
	}
	return w.sendControl(datagrams)
}

// sendControl sends while nobody else does. The caller holds mu.
func (w *writer) sendControl(datagrams [][]byte) error {
	w.sending = true
	w.mu.Unlock()
	_, err := w.q.sock.Request(datagrams)
	w.mu.Lock()
	w.sending = false
	w.idle.Broadcast()
	w.flushUnlessSending()
	return err
}
