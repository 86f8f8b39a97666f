package queue

import (
	"sync"
	"time"

	"github.com/ipqueue/ipqueue/internal/sock"
)

// Limits of one send.
const (
	maxRun      = sock.MaxBatch // verdicts
	maxSmall    = 32 << 10      // bytes of verdicts that share a datagram
	largeOut    = 4 << 10       // a message above this is a datagram of its own, sent from where it is
	maxCarry    = 2             // sends that one caller makes for others
	maxSends    = 1 << 20       // sends of the library's own goroutines
	sendDelay   = 100 * time.Microsecond
	retryDelay  = time.Millisecond // after ENOBUFS
	sizeVerdict = 64               // at least the size of a verdict without payload
)

// A writer sends verdicts. Its mutex serialises what concerns packets of
// their whole life: the list of arrivals, the verdicts that wait, the free
// slots and the counters. It is never held during a system call or a call of
// the application's code: whoever sends sets sending and lets go of it.
//
//	Decide: claim -> prepare -> submit -> [wait for company] -> flush -> settle
//
// A verdict is sent at once unless another send is under way or more packets
// are, in which case it goes with them, at the latest when the timer fires.
type writer struct {
	q    *Queue
	mu   sync.Mutex
	idle sync.Cond // a send or a claim has ended

	arrivals arrivals
	ids      *ids // ip_queue only
	batches  bool // batch verdicts may be used
	free     freeList
	slots    int // slots in use, free, or in the reader's stash

	first, last *slot // verdicts that wait to be sent
	waiting     int

	sending   bool
	flowing   bool // the reader has packets on the way to the application
	tapClosed bool // the kernel was told to queue nothing more
	drained   bool // nothing will arrive any more
	finished  bool // nothing may be sent any more
	dead      bool // the socket takes nothing any more
	armed     bool
	timer     *time.Timer
	deadline  *time.Timer
	overdue   bool          // somebody has a claim on a packet whose time is over
	watching  bool          // the deadline's timer is running
	starved   bool          // the reader waits for a packet to be decided
	room      chan struct{} // tells it

	limit     int // most verdicts in a send; halved by EMSGSIZE
	run       [maxRun]*slot
	alike     int    // so many verdicts at the run's start can be one batch verdict
	emptyAt   uint64 // sequence of the last packet when the socket was found empty
	buf       []byte
	datagrams [][]byte
	counts    []int // verdicts in each datagram

	count counters
}

func (w *writer) init(q *Queue) {
	w.q = q
	w.idle.L = &w.mu
	w.limit = maxRun
	w.room = make(chan struct{}, 1)
	w.buf = make([]byte, 0, maxSmall+largeOut+maxRun*sizeVerdict)
	w.datagrams = make([][]byte, 0, maxRun)
	w.counts = make([]int, 0, maxRun)
	w.timer = stoppedTimer(w.fire)
	w.deadline = stoppedTimer(w.expire)
}

func stoppedTimer(f func()) *time.Timer {
	t := time.AfterFunc(time.Hour, f)
	t.Stop()
	return t
}

// claim is slot.claim with the lock taken.
func (w *writer) claim(s *slot, seq uint64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return s.claim(seq)
}

// judge decides the packet seq in s with nothing but an action.
func (w *writer) judge(s *slot, seq uint64, a Action) error {
	if err := s.claim(seq); err != nil {
		return err
	}
	s.action = a
	return w.submit(s)
}

// submit takes a claimed slot for sending, and sends it unless it is to wait.
func (w *writer) submit(s *slot) error {
	if err := w.push(s); err != nil {
		return err
	}
	switch {
	case w.sending || w.dead:
	case w.waiting < w.limit && w.moreComing():
		w.arm(sendDelay)
	default:
		w.flush(maxCarry)
	}
	return nil
}

// decide gives a packet the verdict of one of the queue's own rules.
func (w *writer) decide(s *slot, a Action, why cause) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if taken, _ := s.take(); !taken {
		return
	}
	s.action, s.cause = a, why
	if w.push(s) == nil && !w.sending && w.waiting >= w.limit {
		w.flush(maxCarry)
	}
	w.arm(sendDelay)
}

// push appends a claimed slot to those that wait.
func (w *writer) push(s *slot) error {
	if w.q.life.Load() >= closing {
		w.idle.Broadcast()
	}
	if s.succeeded {
		w.forget(s)
		return ErrGone
	}
	s.state = decided
	if w.last == nil {
		w.first = s
	} else {
		w.last.behind = s
	}
	w.last = s
	w.waiting++
	return nil
}

// moreComing reports whether the application is about to see more packets,
// whose verdicts this one can travel with. Those in the channel may be a
// group's other queues'.
func (w *writer) moreComing() bool {
	return w.flowing || len(w.q.packets) > 0 && w.arrivals.n > w.waiting
}

func (w *writer) arm(d time.Duration) {
	if !w.armed {
		w.armed = true
		w.timer.Reset(d)
	}
}

func (w *writer) disarm() {
	if w.armed && w.timer.Stop() {
		w.armed = false
	}
}

// fire is the timer's: it sends what has waited long enough.
func (w *writer) fire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed = false
	w.flushUnlessSending()
}

func (w *writer) flushUnlessSending() {
	if !w.sending && w.waiting > 0 && !w.finished {
		w.flush(maxSends)
	}
}

// rest says that no more packets are on their way to the application just now.
func (w *writer) rest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flowing = false
	w.flushUnlessSending()
}

// socketEmpty is rest, said by the reader when it found nothing to read after
// the packet seq.
func (w *writer) socketEmpty(seq uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.emptyAt = seq
	w.flowing = false
	w.flushUnlessSending()
}

// unclaim gives a claim back, to whoever closes the queue or has a deadline to
// keep.
func (w *writer) unclaim(s *slot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.state = open
	w.idle.Broadcast()
	if w.overdue {
		w.expireNow()
	}
}

// release takes a slot off the list and keeps it for another packet.
func (w *writer) release(s *slot) {
	w.arrivals.remove(s)
	if w.ids != nil && !s.succeeded {
		w.ids.remove(s.id)
	}
	if w.reusable(s) {
		poison(s.buf)
		w.free.push(s)
	} else {
		w.slots--
	}
	w.madeRoom()
}

// madeRoom tells a reader that waits for a packet to be decided.
func (w *writer) madeRoom() {
	if w.starved {
		w.starved = false
		select {
		case w.room <- struct{}{}:
		default: // an earlier word was not waited for
		}
	}
}

// reusable reports whether a slot may be kept: nobody may still be reading its
// buffer, and there must not be too many.
func (w *writer) reusable(s *slot) bool {
	if s.cause == byDeadline {
		w.count.abandonedBuffers++
		return false
	}
	if s.class == bigClass {
		return len(w.free[bigClass]) < bigKept
	}
	if cap(s.out) > 2*largeOut {
		s.out = nil
	}
	return w.slots <= w.q.cfg.MaxUndecided+spareSlots
}
