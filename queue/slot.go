package queue

import "github.com/ipqueue/ipqueue/internal/sock"

// A state is how far the packet in a slot has come.
type state uint8

const (
	open    state = iota // waits for a verdict
	claimed              // a verdict is being made up
	decided              // the verdict is taken for sending, or sent
	gone                 // the kernel gave the packet up
)

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
	q     *Queue
	id    uint64
	class int

	// Guarded by writer.mu.
	seq        uint64 // never used twice: a Packet left over from an earlier use can claim nothing
	state      state
	gap        bool  // the kernel had packets just before that did not come
	succeeded  bool  // a later packet has the id: the kernel has no more of this one (ip_queue)
	prev, next *slot // neighbours by arrival
	behind     *slot // the next slot that waits to be sent
	chained    *slot // the next slot of a chain of ids
	arrived    int64 // nanoseconds of the queue's clock; 0 with the clock off

	// Owned by whoever made the slot leave the state open.
	action   Action
	cause    cause
	replaces bool   // out carries a payload
	out      []byte // the verdict's message, if it says more than its action

	// Owned by the reader until the packet is published, then read only.
	mark         uint32 // the packet's, as it came
	buf          []byte
	link, secctx []byte
	conntrack    []byte
}

// claim gives the caller the right, and the duty, to decide the packet seq or
// to give the claim back. The caller holds writer.mu.
func (s *slot) claim(seq uint64) error {
	switch {
	case s.q.life.Load() >= closing:
		return ErrClosed
	case s.seq != seq || s.state == decided || s.state == claimed:
		return ErrDecided
	case s.state == gone:
		return ErrGone
	}
	s.state = claimed
	return nil
}

// take claims the slot for the queue itself, whichever packet is in it. busy
// says that somebody else has a claim, which may yet be given back. The caller
// holds writer.mu.
func (s *slot) take() (taken, busy bool) {
	if s.state != open {
		return false, s.state == claimed
	}
	s.state = claimed
	return true, false
}

// classSize are the sizes of packet buffers. A packet is copied into the
// smallest that fits, or keeps the buffer it was received in, which is of the
// largest: see reader.class.
var classSize = [...]int{256, 768, 1536, 4096, receiveSize}

const (
	// slotChunk is how many slots are made at once.
	slotChunk = 32
	// spareSlots may be kept beyond those that can be in use at a time.
	spareSlots = 2 * slotChunk * len(classSize)

	classes  = len(classSize)
	bigClass = classes - 1
	// spareBuffers are big ones for packets that could be copied too. Where
	// packets are decided at once they are enough for all under way: a batch
	// being read, one in the channel, and one whose verdicts wait.
	spareBuffers = 3 * sock.MaxBatch
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

// A freeList holds unused slots by class. Those used last come first, as their
// memory is the warmest. It is no chain through the slots, whose memory would
// have to be fetched to follow it.
type freeList [classes][]*slot

func (f *freeList) push(s *slot) { f[s.class] = append(f[s.class], s) }

// pop takes a slot of a class that has some.
func (f *freeList) pop(class int) *slot {
	list := f[class]
	last := len(list) - 1
	s := list[last]
	list[last] = nil
	f[class] = list[:last]
	return s
}

// stock moves slots of each class to another list until that has enough for
// any batch.
func (f *freeList) stock(to *freeList) {
	for class := range classes {
		for len(to[class]) < sock.MaxBatch && len(f[class]) > 0 {
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
