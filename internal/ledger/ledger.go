// Package ledger keeps track of the packets of a queue that have no verdict
// yet: in which order and when they arrived, who may decide each, and which
// verdicts wait to be sent to the kernel.
//
// The package depends neither on the kernel's messages nor on the API of
// package queue. Its user provides an Encoder for the messages, a function that
// sends them, a clock, and a Listener that is called about events.
//
//	Intake.Slot, Intake.Enter -> Slot.Decide -> outbox -> Config.Send
//
// The words used here:
//
//   - A slot holds one packet from its arrival until its verdict was sent.
//   - A claim is the exclusive right to decide a packet. A goroutine holds it
//     while it makes up a verdict, and then submits a verdict or gives the claim
//     back.
//   - The outbox holds the verdicts that wait to be sent.
//
// One mutex guards the list of arrivals, the state of slots, the outbox, the
// free slots and the counters. It is not held during a system call, or while a
// verdict is made up.
package ledger

import (
	"sync"
	"time"

	"github.com/ipqueue/ipqueue/internal/sock"
)

// A Listener contains the functions that the ledger calls about events. They
// are called with the ledger's mutex held, so they must neither block nor call
// the ledger.
type Listener struct {
	// Refused is called for a verdict that is too large to be sent.
	Refused func(id uint64, err error)
	// Expired, if not nil, is called for each packet that the deadline decided,
	// with its sequence number. Earlier packets are no longer open, except those
	// that are claimed.
	// It may read the slot's ID, Mark and Memo until it returns.
	Expired func(s *Slot, seq uint64)
	// Dead is called when the socket is broken, with the reason.
	Dead func(err error)
	// Drained is called when, after Drain, every packet has been decided.
	Drained func()
}

// A Config configures a Ledger.
type Config struct {
	Encoder  Encoder
	Listener Listener
	// Send sends datagrams, at most [sock.MaxBatch] of them, and returns how
	// many the kernel accepted; the error is about the next one.
	Send func(datagrams [][]byte) (int, error)
	// Request is like Send, but for requests, which may take the kernel long.
	Request func(datagrams [][]byte) (int, error)
	// Clock returns nanoseconds. It may be nil if there is no Deadline.
	Clock func() int64
	// Backlog reports whether delivered packets wait until the application
	// receives them.
	Backlog func() bool
	// Owner is what Slot.Owner returns.
	Owner any

	// MaxUndecided limits the number of slots that are kept for reuse.
	MaxUndecided int
	// ReusesIDs means that the kernel gives the id of a packet that it has
	// dropped to a later packet.
	ReusesIDs bool
	// Deadline, if not 0, is the time after which the ledger decides a packet
	// without a verdict, with OnDeadline.
	Deadline   time.Duration
	OnDeadline Action
}

// A Ledger keeps track of the packets of one queue.
type Ledger struct {
	listener     Listener
	clock        func() int64
	backlog      func() bool
	owner        any
	maxUndecided int

	mu      sync.Mutex
	changed sync.Cond // signalled when a send or a claim ends, and when the ledger closes

	arrivals arrivals
	ids      *ids // nil unless the kernel reuses ids
	out      outbox
	free     freeList
	slots    int // number of slots: in use, free, and in the intake's stash

	flowing bool // the application is about to receive more packets
	drained bool // no more packets will arrive
	closing bool // no more verdicts of the application are accepted

	starved bool          // the reader waits until a packet is decided
	vacancy chan struct{} // wakes the reader

	deadline      time.Duration
	onDeadline    Action
	deadlineTimer *time.Timer
	watching      bool // the deadline's timer is running
	overdue       bool // a packet whose deadline has passed is claimed

	count counts
}

// counts are the counters of packets that have left the ledger.
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

// Spent returns a slot for packets that have already been decided.
func (l *Ledger) Spent() *Slot { return &Slot{ledger: l, state: decided} }

// submit accepts the verdict for a claimed slot. It sends the verdict
// immediately, unless a send is in progress, or more packets are on their way
// to the application. Then the verdict joins the next send, at most sendDelay
// later.
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

// moreComing reports whether the application is about to receive more packets,
// so that their verdicts can be sent together with those in the outbox. The
// backlog may be that of several queues.
func (l *Ledger) moreComing() bool {
	return l.flowing || l.arrivals.n > l.out.waiting && l.backlog()
}

// DecideUpTo gives the verdict to all undecided packets that arrived up to seq,
// and returns their number. encode, if not nil, writes the Message of each
// slot; it is called without the mutex. The error is ErrClosed; then nothing
// was decided.
func (l *Ledger) DecideUpTo(seq uint64, v Verdict, encode func(*Slot)) (n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return 0, ErrClosed
	}
	var claims []*Slot
	defer func() { // after a panic in encode
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

// claimUpTo claims the open slots, starting with from, that arrived up to seq,
// as many as fit in claims. A packet that is claimed by another goroutine may
// be given back, so claimUpTo waits for that, unless it has claims itself: then
// it returns those.
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

// unlocked calls encode for all claims, without the mutex.
func (l *Ledger) unlocked(claims []*Slot, encode func(*Slot)) {
	l.mu.Unlock()
	defer l.mu.Lock()
	for _, s := range claims {
		encode(s)
	}
}

// arrive adds a packet to the list of arrivals. If an undecided packet has the
// same id, the kernel has dropped that one. Unless it is claimed, it leaves the
// ledger here.
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

// forget implements books. The slot is not reused, so that a late verdict gets
// ErrGone.
func (l *Ledger) forget(s *Slot) {
	s.state = gone
	l.count.gone++
	l.slots--
	l.arrivals.remove(s)
	l.madeRoom()
	l.endIfDrained()
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

// decided counts a packet whose verdict has left the outbox, and frees its
// slot.
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

// madeRoom wakes a reader that waits until a packet is decided.
func (l *Ledger) madeRoom() {
	if l.starved {
		l.starved = false
		select {
		case l.vacancy <- struct{}{}:
		default: // the value of an earlier call was not received
		}
	}
}

// Room returns how many more packets may be received if at most most may be
// undecided. If that is 0 or less, the channel Vacancy receives a value when a
// packet has been decided.
func (l *Ledger) Room(most int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest()
	room := most - l.arrivals.n
	l.starved = room <= 0
	return room
}

// Vacancy returns the channel described for Room.
func (l *Ledger) Vacancy() <-chan struct{} { return l.vacancy }

// Rest reports that no more packets are on their way to the application now. It
// sends the verdicts in the outbox.
func (l *Ledger) Rest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest()
}

func (l *Ledger) rest() {
	l.flowing = false
	l.out.flushNow()
}

// Drain reports that no more packets will arrive. The ledger calls
// Listener.Drained as soon as every packet has been decided.
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

// Request sends a request, which is not a verdict. It waits for the send in
// progress, and goes before the verdicts in the outbox.
func (l *Ledger) Request(message []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.request([][]byte{message}, false)
}

// LastRequest is like Request, but later calls of Request return ErrClosed, so
// that they cannot undo it. It repeats the request while the kernel has no
// memory for it. LastRequest may be called again.
func (l *Ledger) LastRequest(messages [][]byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for tries := 1; ; tries++ {
		err := l.out.request(messages, true)
		if !sock.NoMemory(err) || tries == maxTries {
			return err
		}
		l.pause()
	}
}

// pause sleeps without the mutex.
func (l *Ledger) pause() {
	l.mu.Unlock()
	defer l.mu.Lock()
	time.Sleep(retryDelay)
}

// Shut makes later verdicts of the application fail with ErrClosed.
func (l *Ledger) Shut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closing = true
	l.changed.Broadcast()
}

// maxTries is how often the last verdicts and requests are tried while the
// kernel has no memory for them.
const maxTries = 100

// Settle is called after Shut. It waits until all claims have ended, which
// takes no longer than a copy and a checksum, and sends all verdicts. Packets
// without a verdict get the action a; if a is 0, they are left to the kernel.
// Settle reports whether all verdicts were sent.
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

// takeAll decides all open packets with the action a, and reports whether no
// packet is claimed by another goroutine.
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

// Close ends all sending, and waits for the send in progress. Verdicts that
// were not sent are counted as abandoned, with the action a that the kernel
// then takes.
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

	By      [Causes]uint64  // verdicts sent, by cause
	Actions [Actions]uint64 // verdicts sent, and packets abandoned, by action

	Replaced    uint64 // verdicts sent with a payload
	Unsendable  uint64 // verdicts too large to be sent, which By also counts
	Retries     uint64 // sends for which the kernel had no memory
	BuffersLeft uint64 // buffers not reused because the application may be reading them

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
