package ledger

import "time"

// Decide gives the verdict to the packet seq. The error is ErrDecided, ErrGone
// or ErrClosed.
func (s *Slot) Decide(seq uint64, v Verdict) error {
	l := s.ledger
	l.mu.Lock()
	err := s.claim(seq)
	if err == nil {
		err = l.submit(s, v)
	}
	l.mu.Unlock()
	return err
}

// Claim claims the packet seq: the caller gets the exclusive right to decide
// it, and must call Submit or GiveBack soon. While another goroutine has the
// claim, Claim waits, because that goroutine may give it back. The errors are
// those of Decide.
func (s *Slot) Claim(seq uint64) error {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	return s.claim(seq)
}

// Submit ends a claim with a verdict. carries means that Message contains a
// payload. The error is ErrGone if the kernel dropped the packet meanwhile.
func (s *Slot) Submit(v Verdict, carries bool) error {
	l := s.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	s.carries = carries
	l.changed.Broadcast()
	return l.submit(s, v)
}

// GiveBack ends a claim without a verdict.
func (s *Slot) GiveBack() {
	l := s.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	s.Message = s.Message[:0]
	s.state = open
	l.changed.Broadcast()
	if s.superseded {
		l.forget(s)
	}
	if l.overdue {
		l.expireNow()
	}
}

// Impose decides the packet seq, if it is still open, by a rule of the ledger's
// user. The verdict waits for others, at most sendDelay.
func (s *Slot) Impose(seq uint64, a Action, why Cause) {
	l := s.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.seq != seq || !s.take() {
		return
	}
	s.cause = why
	l.push(s, Verdict{Action: a})
	if !l.out.busy() && l.out.full() {
		l.out.flush(maxCarry)
	}
	l.out.sendWithin(sendDelay)
}

// Open reports whether the packet seq has no verdict yet.
func (s *Slot) Open(seq uint64) bool {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	return s.isOpen(seq)
}

// Age returns the time since the packet seq arrived, or 0 if it has its
// verdict.
func (s *Slot) Age(seq uint64) time.Duration {
	l := s.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	if !s.isOpen(seq) {
		return 0
	}
	return l.age(s)
}
