package queue

import "time"

// now is the queue's clock in nanoseconds. It stands at 0 unless somebody
// needs it.
func (q *Queue) now() int64 {
	if q.cfg.Deadline == 0 && !q.cfg.TrackAge {
		return 0
	}
	return int64(time.Since(q.born))
}

// watchDeadline starts the timer for the oldest packet unless it is running.
// All packets have the same time, so the order of arrival is that of their
// deadlines.
func (w *writer) watchDeadline() {
	if w.q.cfg.Deadline == 0 || w.watching || w.arrivals.oldest == nil {
		return
	}
	w.watchFor(time.Duration(w.arrivals.oldest.arrived-w.q.now()) + w.q.cfg.Deadline)
}

// expire decides the packets whose time is over. One that somebody has a claim
// on is looked at again when the claim is given back.
func (w *writer) expire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watching = false
	w.expireNow()
}

func (w *writer) expireNow() {
	if w.finished {
		return
	}
	passed := w.q.now() - int64(w.q.cfg.Deadline)
	var later *slot
	later, w.overdue = w.takeUntil(passed)
	if later != nil && !w.watching {
		w.watchFor(time.Duration(later.arrived - passed))
	}
	w.flushUnlessSending()
}

func (w *writer) watchFor(d time.Duration) {
	w.watching = true
	w.deadline.Reset(d)
}

// takeUntil decides the packets that arrived until then. It returns the first
// later one, and whether somebody has a claim on an earlier one.
func (w *writer) takeUntil(then int64) (later *slot, claims bool) {
	s := w.arrivals.oldest
	for s != nil && s.arrived <= then {
		next := s.next
		taken, busy := s.take()
		if taken {
			s.action, s.cause = w.q.cfg.OnDeadline, byDeadline
			_ = w.push(s)
		}
		claims = claims || busy
		s = next
	}
	return s, claims
}
