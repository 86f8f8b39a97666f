// Package ledger keeps the books of a packet queue: every packet that has no
// verdict yet, who may decide it, since when and in which order, and the
// verdicts on their way to the kernel.
//
// It knows neither the kernel's messages nor the queue's API. It is given an
// Encoder, which makes messages of verdicts, a function that sends them, a
// clock, and a Listener, which is told what the ledger finds out.
//
//	Intake.Slot, Intake.Enter -> Slot.Decide -> outbox -> Config.Send
//
// One mutex serialises what concerns packets of their whole life: the list of
// arrivals, the verdicts that wait, the free slots and the counters. It is not
// held during a system call or while a verdict is made up.
package ledger

import (
	"sync"
	"time"

	"github.com/ipqueue/ipqueue/internal/sock"
)

// A Listener is told what the ledger finds out. Its functions are called with
// the ledger's mutex held: they must neither wait nor call the ledger.
type Listener struct {
	// Refused is told of a verdict that no send can carry.
	Refused func(id uint64, err error)
	// Expired, if not nil, is told of each packet that the deadline decided.
	// It may read the slot's ID, Mark and Memo, until it returns.
	Expired func(*Slot)
	// Dead is told that the kernel takes no more verdicts, and why.
	Dead func(err error)
	// Drained is told, after Drain, that every packet has been decided.
	Drained func()
}

// A Config is what New makes a Ledger of.
type Config struct {
	Encoder  Encoder
	Listener Listener
	// Send sends datagrams, at most [sock.MaxBatch] of them, and returns how
	// many the kernel took; the error is about the next one.
	Send func(datagrams [][]byte) (int, error)
	// Request is Send for requests, over which the kernel may take long.
	Request func(datagrams [][]byte) (int, error)
	// Clock returns nanoseconds. nil leaves the clock off, for a ledger without
	// Deadline.
	Clock func() int64
	// Backlog reports whether packets that were handed over wait for the
	// application to see them.
	Backlog func() bool
	// Owner is what Slot.Owner returns.
	Owner any

	// MaxUndecided bounds the slots that are kept for later packets.
	MaxUndecided int
	// ReusesIDs says that the kernel gives the id of a packet it has dropped to
	// a later packet.
	ReusesIDs bool
	// Deadline, if not 0, is how long a packet may be undecided before the
	// ledger decides it, with OnDeadline.
	Deadline   time.Duration
	OnDeadline Action
}

// A Ledger keeps the books of one queue.
type Ledger struct {
	listener     Listener
	clock        func() int64
	backlog      func() bool
	owner        any
	maxUndecided int

	mu      sync.Mutex
	changed sync.Cond // a send or a claim has ended, or the ledger closes

	arrivals arrivals
	ids      *ids // nil unless ids are used again
	out      outbox
	free     freeList
	slots    int // slots in use, free, or in the intake's stash

	flowing bool // the application is about to see more packets
	drained bool // nothing will arrive any more
	closing bool // the application can give no more verdicts

	lastRequest bool // no more requests

	starved bool          // the reader waits for a packet to be decided
	vacancy chan struct{} // tells the reader

	deadline      time.Duration
	onDeadline    Action
	deadlineTimer *time.Timer
	watching      bool // the deadline's timer runs
	overdue       bool // somebody has a claim on a packet whose time is over

	count counts
}

// counts are the counters of packets that have ended.
type counts struct {
	received, replaced, gone, abandoned, unsendable, buffersLeft uint64

	by      [Causes]uint64
	actions [Actions]uint64
}

// New returns an empty ledger.
func New(c Config) *Ledger {
	l := &Ledger{
		listener: c.Listener, clock: c.Clock, backlog: c.Backlog, owner: c.Owner, maxUndecided: c.MaxUndecided,
		vacancy:  make(chan struct{}, 1),
		deadline: c.Deadline, onDeadline: c.OnDeadline,
	}
	l.changed.L = &l.mu
	if l.clock == nil {
		l.clock = func() int64 { return 0 }
	}
	if c.ReusesIDs {
		l.ids = newIDs()
	}
	l.out = outbox{
		mu: &l.mu, changed: &l.changed, encoder: c.Encoder, send: c.Send, sendRequest: c.Request, books: l, arrivals: &l.arrivals,
		limit: maxRun,
	}
	l.out.timer = stoppedTimer(l.out.timeout)
	l.deadlineTimer = stoppedTimer(l.expire)
	return l
}

func stoppedTimer(f func()) *time.Timer {
	t := time.AfterFunc(time.Hour, f)
	t.Stop()
	return t
}

// Spent returns a slot whose packet has been decided.
func (l *Ledger) Spent() *Slot { return &Slot{ledger: l, state: decided} }

// submit takes a claimed slot's verdict for sending. It is sent at once unless
// a send is in progress, or more packets are on their way to the application:
// then it joins the next send, at most sendDelay later.
func (l *Ledger) submit(s *Slot, v Verdict) error {
	if s.superseded {
		l.forget(s)
		return ErrGone
	}
	l.push(s, v)
	switch {
	case l.out.busy():
	case !l.out.full() && l.moreComing():
		l.out.sendWithin(sendDelay)
	default:
		l.out.flush(maxCarry)
	}
	return nil
}

// push puts a claimed slot into the outbox.
func (l *Ledger) push(s *Slot, v Verdict) {
	s.state = decided
	s.verdict = v.of(s.Mark)
	l.out.push(s)
}

// moreComing reports whether the application is about to see more packets,
// whose verdicts the last one can travel with. The backlog may be that of
// several queues.
func (l *Ledger) moreComing() bool {
	return l.flowing || l.arrivals.n > l.out.waiting && l.backlog()
}

// DecideUpTo gives the verdict to all packets that arrived up to seq and have
// none, and returns how many that were. encode, if not nil, makes each slot's
// Message; it is called without the mutex. The error is ErrClosed, with nothing
// decided.
func (l *Ledger) DecideUpTo(seq uint64, v Verdict, encode func(*Slot)) (n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return 0, ErrClosed
	}
	var claims []*Slot
	defer func() { // of a panic in encode
		for _, s := range claims {
			s.state = open
		}
	}()
	var room [maxRun]*Slot
	var last *Slot
	var lastSeq uint64
	for {
		from := l.arrivals.oldest
		if last != nil && last.seq == lastSeq && last.state != gone {
			from = last.next
		}
		claims = l.claimUpTo(from, seq, room[:0])
		if len(claims) == 0 {
			return n, nil
		}
		last = claims[len(claims)-1]
		lastSeq = last.seq
		if encode != nil {
			l.unlocked(claims, encode)
			l.changed.Broadcast()
		}
		for _, s := range claims {
			if s.superseded {
				l.forget(s)
				continue
			}
			l.push(s, v)
			n++
		}
		claims = nil
		if !l.out.busy() {
			l.out.flush(1)
		}
	}
}

// claimUpTo claims the open slots from one on that arrived up to seq, as many
// as claims has room for. It waits for other claims unless it has some itself:
// a packet whose claim is given back is open again.
func (l *Ledger) claimUpTo(from *Slot, seq uint64, claims []*Slot) []*Slot {
	for s := from; s != nil && s.seq <= seq && len(claims) < cap(claims) && !l.closing; {
		switch {
		case s.take():
			claims = append(claims, s)
		case s.state == claimed && len(claims) > 0:
			return claims
		case s.state == claimed:
			l.changed.Wait()
			s = l.arrivals.oldest
			continue
		}
		s = s.next
	}
	return claims
}

// unlocked calls encode without the mutex.
func (l *Ledger) unlocked(claims []*Slot, encode func(*Slot)) {
	l.mu.Unlock()
	defer l.mu.Lock()
	for _, s := range claims {
		encode(s)
	}
}

// arrive takes a packet into the list of arrivals. An id that is used again
// proves that the kernel gave up the packet that had it. Unless somebody is
// deciding that one, it ends here.
func (l *Ledger) arrive(s *Slot, seq uint64) {
	s.seq, s.state = seq, open
	l.count.received++
	l.arrivals.add(s)
	if l.ids == nil {
		return
	}
	old := l.ids.replace(s)
	if old == nil {
		return
	}
	old.superseded = true
	if old.take() {
		l.forget(old)
	}
}

// forget implements books. The slot is not used again, so that a late verdict
// learns why.
func (l *Ledger) forget(s *Slot) {
	s.state = gone
	l.count.gone++
	l.slots--
	l.arrivals.remove(s)
	l.madeRoom()
}

// sent implements books.
func (l *Ledger) sent(run []*Slot) {
	for i, s := range run {
		l.decided(s)
		run[i] = nil
	}
	l.endIfDrained()
}

// unsendable implements books.
func (l *Ledger) unsendable(s *Slot, err error) {
	l.listener.Refused(s.ID, err)
	l.count.unsendable++
	l.decided(s)
	l.endIfDrained()
}

// died implements books.
func (l *Ledger) died(err error) { l.listener.Dead(err) }

// decided counts a packet whose verdict left the outbox, and frees its slot.
func (l *Ledger) decided(s *Slot) {
	l.count.by[s.cause]++
	l.count.actions[s.verdict.Action]++
	if s.carries {
		l.count.replaced++
	}
	l.arrivals.remove(s)
	if l.ids != nil && !s.superseded {
		l.ids.remove(s.ID)
	}
	s.seq = 0
	if l.reusable(s) {
		poison(s.Buf)
		l.free.push(s)
	} else {
		l.slots--
	}
	l.madeRoom()
}

// reusable reports whether a slot may be kept for a later packet. It may not if
// the application may still be reading its buffer, because the application did
// not give the verdict, or if there are enough slots.
func (l *Ledger) reusable(s *Slot) bool {
	switch s.cause {
	case ByDeadline:
		l.count.buffersLeft++
		return false
	case ByClose:
		return false
	}
	if int(s.class) == bigClass {
		return len(l.free[bigClass]) < bigKept
	}
	if cap(s.Message) > 2*largeOut {
		s.Message = nil
	}
	return l.slots <= l.maxUndecided+spareSlots
}

// madeRoom wakes a reader that waits for a packet to be decided.
func (l *Ledger) madeRoom() {
	if l.starved {
		l.starved = false
		select {
		case l.vacancy <- struct{}{}:
		default: // an earlier call was not waited for
		}
	}
}

// Room returns how many packets may still be undecided if most may be. If that
// is none, the channel Vacancy receives when there is room.
func (l *Ledger) Room(most int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest()
	room := most - l.arrivals.n
	l.starved = room <= 0
	return room
}

// Vacancy is the channel that Room names.
func (l *Ledger) Vacancy() <-chan struct{} { return l.vacancy }

// Rest reports that no more packets are on their way to the application now:
// verdicts that wait for others are sent.
func (l *Ledger) Rest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest()
}

func (l *Ledger) rest() {
	l.flowing = false
	l.out.flushNow()
}

// Drain reports that nothing will arrive any more. Listener.Drained is called
// as soon as every packet has been decided.
func (l *Ledger) Drain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drained = true
	l.rest()
	l.endIfDrained()
}

func (l *Ledger) endIfDrained() {
	if l.drained && l.arrivals.n == 0 {
		l.drained = false
		l.listener.Drained()
	}
}

// Request sends a request that is no verdict, in turn with the verdicts. It
// goes before those that wait.
func (l *Ledger) Request(message []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lastRequest || l.out.closed {
		return ErrClosed
	}
	return l.out.request([][]byte{message})
}

// LastRequest is Request for what no later Request may undo: the latter then
// return ErrClosed. It tries again while the kernel has no memory. LastRequest
// may be called again.
func (l *Ledger) LastRequest(messages [][]byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastRequest = true
	for tries := 1; ; tries++ {
		if l.out.closed {
			return ErrClosed
		}
		err := l.out.request(messages)
		if !sock.NoMemory(err) || tries == maxTries {
			return err
		}
		l.pause()
	}
}

// pause lets time pass, without the mutex.
func (l *Ledger) pause() {
	l.mu.Unlock()
	defer l.mu.Lock()
	time.Sleep(retryDelay)
}

// Shut ends the application's verdicts: later ones get ErrClosed.
func (l *Ledger) Shut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closing = true
	l.changed.Broadcast()
}

// maxTries is how often the last verdicts and requests are tried while the
// kernel has no memory for them.
const maxTries = 100

// Settle waits, after Shut, for the claims that were made before, which are
// bounded by a copy and a checksum, and sends all verdicts that there are.
// Packets without one get a, or, with a of 0, are left to the kernel. Settle
// reports whether all verdicts were sent.
func (l *Ledger) Settle(a Action) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.takeAll(a) {
		l.changed.Wait()
	}
	for tries := 0; tries < maxTries && l.out.waiting > 0 && !l.out.dead; {
		if l.out.busy() {
			l.changed.Wait()
			continue
		}
		before := l.out.waiting
		if l.out.flush(maxSends); l.out.waiting >= before {
			tries++
			l.pause()
		}
	}
	for l.out.sending {
		l.changed.Wait()
	}
	return l.out.waiting == 0
}

// takeAll takes all packets that are open, and reports whether nobody else has
// a claim.
func (l *Ledger) takeAll(a Action) bool {
	free := true
	var next *Slot
	for s := l.arrivals.oldest; s != nil; s = next {
		next = s.next
		switch {
		case s.take():
			s.state = decided
			if a != 0 {
				s.cause = ByClose
				l.push(s, Verdict{Action: a})
			}
		case s.state == claimed:
			free = false
		}
	}
	return free
}

// Close has nothing more sent, and waits for the send under way. What was not
// sent is counted as abandoned, with the action a that the kernel then takes.
func (l *Ledger) Close(a Action) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out.close()
	l.deadlineTimer.Stop()
	l.count.abandoned += uint64(l.arrivals.n)
	l.count.actions[a] += uint64(l.arrivals.n)
	l.arrivals = arrivals{}
}

// Counts are a ledger's counters at one moment. At any time
//
//	Received = Undecided + Gone + Abandoned + the sum of By
type Counts struct {
	Received, Undecided, Gone, Abandoned uint64

	By      [Causes]uint64  // verdicts sent, by who decided
	Actions [Actions]uint64 // the same, and those abandoned, by action

	Replaced    uint64 // verdicts sent with a payload
	Unsendable  uint64 // verdicts that no send could carry, counted in By all the same
	Retries     uint64 // sends for which the kernel had no memory
	BuffersLeft uint64 // buffers left to the garbage collector

	Oldest time.Duration // age of the oldest undecided packet
}

// Counts returns the counters.
func (l *Ledger) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &l.count
	n := Counts{
		Received: c.received, Undecided: uint64(l.arrivals.n), Gone: c.gone, Abandoned: c.abandoned,
		By: c.by, Actions: c.actions,
		Replaced: c.replaced, Unsendable: c.unsendable, Retries: l.out.retries, BuffersLeft: c.buffersLeft,
	}
	if s := l.arrivals.oldest; s != nil {
		n.Oldest = l.age(s)
	}
	return n
}

func (l *Ledger) age(s *Slot) time.Duration { return time.Duration(l.clock() - s.arrived) }
