package ledger

// A state is how far the packet in a slot has come.
type state uint8

const (
	open    state = iota // waits for a verdict
	claimed              // a goroutine makes up a verdict
	decided              // the verdict waits to be sent, or was sent
	gone                 // the kernel gave the packet up
)

// A Cause is who decided a packet.
type Cause uint8

// Who can decide a packet.
const (
	ByApplication Cause = iota
	ByDeadline
	ByWhenFull // the application's channel had no room
	ByDamage   // the packet's message could not be decoded
	ByClose

	Causes = int(ByClose) + 1
)

// A Slot is the state of one packet, from its arrival until its verdict was
// sent. Then the ledger uses the slot, and its memory, for another packet.
//
// A packet is named by its slot and the sequence number that [Intake.Slot]
// returned with it. The number is never used twice, so a verdict for a packet
// that has left its slot decides nothing.
type Slot struct {
	// What every verdict touches is in the first two lines of the processor's
	// cache.

	ledger *Ledger
	seq    uint64 // guarded by the ledger's mutex, as what follows up to arrived

	// ID is the kernel's name for the packet, Mark its mark as it arrived. The
	// reader sets them, and Buf and Memo, before the packet is entered; then
	// they are read only.
	ID   uint64
	Mark uint32

	state      state
	gap        bool  // the kernel had packets just before this one that did not arrive
	superseded bool  // a later packet has the id, so the kernel no longer has this one
	class      uint8 // of the slot's buffer; never changes
	cause      Cause // owned, as verdict and carries, by whoever made the slot leave the state open
	carries    bool  // Message carries a payload

	prev, next *Slot // neighbours by arrival
	behind     *Slot // the next slot in the outbox
	verdict    Verdict

	// Message is the verdict's message, if it says more than a Verdict can.
	// The goroutine with the claim writes it.
	Message []byte

	arrived int64 // nanoseconds of the ledger's clock
	chained *Slot // the next slot in a chain of ids

	// Buf is memory for the packet's bytes.
	Buf []byte

	// Memo is whatever the owner of the ledger keeps with the slot. It stays
	// when the slot is used again.
	Memo any
}

// Owner returns Config.Owner of the slot's ledger.
func (s *Slot) Owner() any { return s.ledger.owner }

// claim is Claim for a caller who holds the mutex.
func (s *Slot) claim(seq uint64) error {
	for {
		switch {
		case s.ledger.closing:
			return ErrClosed
		case s.seq != seq || s.state == decided:
			return ErrDecided
		case s.state == gone:
			return ErrGone
		case s.state == open:
			s.state = claimed
			return nil
		}
		s.ledger.changed.Wait()
	}
}

// take claims the slot for the ledger itself, whichever packet is in it, and
// reports whether it could. The caller holds the mutex.
func (s *Slot) take() bool {
	if s.state != open {
		return false
	}
	s.state = claimed
	return true
}

func (s *Slot) isOpen(seq uint64) bool {
	return s.seq == seq && (s.state == open || s.state == claimed)
}

// alike reports whether s and t have the same verdict, and no message that says
// more.
func (s *Slot) alike(t *Slot) bool { return len(s.Message) == 0 && s.verdict == t.verdict }

// An arrivals is the list of slots whose verdict was not sent, oldest first.
type arrivals struct {
	oldest, newest *Slot
	n              int
}

func (l *arrivals) add(s *Slot) {
	s.prev, s.next = l.newest, nil
	if l.newest == nil {
		l.oldest = s
	} else {
		l.newest.next = s
	}
	l.newest = s
	l.n++
}

func (l *arrivals) remove(s *Slot) {
	if s.prev == nil {
		l.oldest = s.next
	} else {
		s.prev.next = s.next
	}
	if s.next == nil {
		l.newest = s.prev
	} else {
		s.next.prev = s.prev
	}
	s.prev, s.next = nil, nil
	l.n--
}
