package ledger

import "time"

// watchDeadline starts the timer for the oldest packet unless it is running.
// All packets have the same deadline, so they expire in the order of arrival.
func (l *Ledger) watchDeadline() {
	if l.deadline == 0 || l.watching || l.arrivals.oldest == nil {
		return
	}
	l.watchFor(l.deadline - l.age(l.arrivals.oldest))
}

func (l *Ledger) watchFor(d time.Duration) {
	l.watching = true
	l.deadlineTimer.Reset(d)
}

// expire is called by the timer.
func (l *Ledger) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watching = false
	l.expireNow()
}

// expireNow decides the packets whose deadline has passed. If one of them is
// claimed, GiveBack calls expireNow again.
func (l *Ledger) expireNow() {
	if l.out.closed {
		return
	}
	now := l.clock()
	l.overdue = false
	s := l.arrivals.oldest
	for s != nil && time.Duration(now-s.arrived) >= l.deadline {
		next := s.next
		switch {
		case s.take():
			s.cause = ByDeadline
			l.push(s, Verdict{Action: l.onDeadline})
			if l.listener.Expired != nil {
				l.listener.Expired(s, s.seq)
			}
		case s.state == claimed:
			l.overdue = true
		}
		s = next
	}
	if s != nil && !l.watching {
		l.watchFor(l.deadline - time.Duration(now-s.arrived))
	}
	l.out.flushNow()
}
