package queue

import (
	"sync/atomic"

	"github.com/ipqueue/ipqueue/internal/sock"
)

// States of a slot, the low two bits of its state word. The rest is the
// sequence number of the packet in it, which is never used twice, so that a
// Packet left over from an earlier use can claim nothing.
const (
	open    = iota // waits for a verdict
	claimed        // a verdict is being made up
	decided        // the verdict is taken for sending, or sent
	gone           // the kernel gave the packet up
)

// word is the state word of a slot in which the packet seq is in that state.
func word(seq, state uint64) uint64 { return seq<<2 | state }

// A cause is who decided a packet. It names the counter of Stats.
type cause uint8

const (
	byApplication cause = iota
	byDeadline
	byWhenFull
	byDamage // its message could not be decoded
	byClose
	causes
)

// A slot is a packet's place in the library from its arrival until its verdict
// has been sent. It is then used again, with its buffers.
type slot struct {
	state atomic.Uint64

	q     *Queue
	id    uint64
	class int

	// Guarded by writer.mu.
	prev, next *slot // neighbours by arrival; next also chains free slots
	behind     *slot // the next slot that waits to be sent
	arrived    int64 // nanoseconds of the queue's clock; 0 with the clock off
	gap        bool  // the kernel had packets just before that did not come
	succeeded  bool  // a later packet has the id: the kernel has no more of this one (ip_queue)

	// Owned by whoever made the slot leave the state open.
	action   Action
	cause    cause
	replaces bool   // out carries a payload
	out      []byte // the verdict's message, if it says more than its action

	// Owned by the reader until the packet is published, then read only.
	buf          []byte
	link, secctx []byte
	conntrack    []byte
}

// claim gives the caller the right, and the duty, to decide the packet or to
// give the claim back.
func (s *slot) claim(seq uint64) error {
	if s == nil || s.q.life.Load() >= closing {
		return ErrClosed
	}
	if s.state.CompareAndSwap(word(seq, open), word(seq, claimed)) {
		return nil
	}
	switch {
	case s.q.life.Load() >= closing:
		return ErrClosed
	case s.state.Load() == word(seq, gone):
		return ErrGone
	}
	return ErrDecided
}

// unclaim gives the claim back.
func (s *slot) unclaim(seq uint64) {
	s.state.Store(word(seq, open))
	if s.q.cfg.Deadline > 0 || s.q.life.Load() >= closing {
		s.q.writer.claimEnded()
	}
}

// take claims the slot for the queue itself, whichever packet is in it. busy
// says that somebody else has a claim, which may yet be given back. The caller
// holds writer.mu, so that the slot is not used again meanwhile.
func (s *slot) take() (taken, busy bool) {
	for {
		w := s.state.Load()
		if w&3 != open {
			return false, w&3 == claimed
		}
		if s.state.CompareAndSwap(w, w|claimed) {
			return true, false
		}
	}
}

// settle moves a claimed slot to its end state.
func (s *slot) settle(state uint64) {
	s.state.Store(s.state.Load()&^3 | state)
}

// classSize are the sizes of packet buffers. A packet is copied into the
// smallest that fits; one for the largest keeps the buffer it was received in.
var classSize = [...]int{256, 768, 1536, 4096, receiveSize}

const (
	// slotChunk is how many slots are made at once.
	slotChunk = 32
	// spareSlots may be kept beyond those that can be in use at a time.
	spareSlots = 2 * slotChunk * len(classSize)

	classes  = len(classSize)
	bigClass = classes - 1
	// bigKept bounds the free buffers of the big class to 64 MiB.
	bigKept = 64 << 20 / receiveSize
	// receiveSize fits the largest message of either kernel queue: a packet of
	// 65575 bytes from ip6_queue, or a payload attribute of 65535 bytes and
	// the metadata of nfnetlink_queue.
	receiveSize = 68 << 10
)

func classFor(size int) int {
	c := 0
	for c < bigClass && size > classSize[c] {
		c++
	}
	return c
}

// A freeList chains unused slots of each class.
type freeList struct {
	head [classes]*slot
	n    [classes]int
}

func (f *freeList) push(s *slot) {
	s.next = f.head[s.class]
	f.head[s.class] = s
	f.n[s.class]++
}

func (f *freeList) pop(class int) *slot {
	s := f.head[class]
	if s == nil {
		return nil
	}
	f.head[class], s.next = s.next, nil
	f.n[class]--
	return s
}

// stock moves slots of each class to another list until that has enough for
// any batch.
func (f *freeList) stock(to *freeList) {
	for class := range classes {
		for to.n[class] < sock.MaxBatch && f.head[class] != nil {
			to.push(f.pop(class))
		}
	}
}

// arrivals is the list of slots whose verdict has not been sent, oldest first.
type arrivals struct {
	oldest, newest *slot
	n              int
}

func (l *arrivals) add(s *slot) {
	s.prev, s.next = l.newest, nil
	if l.newest == nil {
		l.oldest = s
	} else {
		l.newest.next = s
	}
	l.newest = s
	l.n++
}

func (l *arrivals) remove(s *slot) {
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
