package ledger

// A state is the state of the packet in a slot.
type state uint8

const (
	open    state = iota // waits for a verdict
	claimed              // a goroutine has the claim, and makes up a verdict
	decided              // the verdict waits to be sent, or was sent
	gone                 // the kernel no longer has the packet
)

// A Cause is the reason for a verdict.
type Cause uint8

// The causes of verdicts.
const (
	ByApplication Cause = iota
	ByDeadline
	ByWhenFull // the application's channel had no room
	ByDamage   // the packet's message could not be decoded
	ByClose

	Causes = int(ByClose) + 1
)

// A Slot holds one packet from its arrival until its verdict was sent. Then the
// ledger reuses the slot and its memory for another packet.
//
// A packet is identified by its slot and the sequence number that [Intake.Slot]
// returned. Numbers are never reused, so a verdict for a packet that has left
// its slot decides nothing.
type Slot struct {
	// The fields that every verdict uses come first, so that they share two
	// cache lines.

	ledger *Ledger
	seq    uint64 // guarded by the ledger's mutex, like the fields up to arrived

	// ID is the kernel's id of the packet, and Mark its mark when it arrived.
	// The reader sets them, Buf and Memo before it enters the packet;
	// afterwards they do not change.
	ID   uint64
	Mark uint32

	state      state
	gap        bool  // packets just before this one were not delivered
	superseded bool  // a later packet has the same id, so the kernel no longer has this one
	class      uint8 // class of the slot's buffer; never changes
	cause      Cause // like verdict and carries, written by the holder of the claim
	carries    bool  // Message contains a payload

	prev, next *Slot // neighbours in the list of arrivals
	behind     *Slot // the next slot in the outbox
	verdict    Verdict

	// Message is the encoded verdict, if it contains more than a Verdict can.
	// The holder of the claim writes it.
	Message []byte

	arrived int64 // time of arrival by the ledger's clock, in nanoseconds
	chained *Slot // the next slot in a chain of ids

	// Buf is memory for the packet's bytes.
	Buf []byte

	// Memo is a value that the user of the ledger keeps with the slot. It stays
	// when the slot is reused.
	Memo any
}

// Owner returns Config.Owner of the slot's ledger.
func (s *Slot) Owner() any { return s.ledger.owner }

// claim implements Claim. The caller holds the mutex.
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

// take claims an open slot for the ledger itself, whichever packet is in it,
// and reports whether it was open. The caller holds the mutex.
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

// alike reports whether s and t have the same verdict, and no Message.
func (s *Slot) alike(t *Slot) bool { return len(s.Message) == 0 && s.verdict == t.verdict }

// An arrivals is the list of slots whose verdict was not sent, oldest first.
type arrivals struct {
	oldest, newest *Slot
	n              int
	big            int // those of bigClass
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
	if int(s.class) == bigClass {
		l.big++
	}
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
	if int(s.class) == bigClass {
		l.big--
	}
}
