package ledger

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
	minAlike    = 2                // verdicts that are worth a batch verdict instead
)

// An outbox sends verdicts. One goroutine sends at a time; it lets go of the
// ledger's mutex during the system call. The verdicts that others give
// meanwhile wait and go with its next send.
//
//	push -> [wait for others] -> flush: pop -> encode -> send -> books.sent
//
// All of it is guarded by the ledger's mutex, except for what the goroutine
// that sends uses during the call: run, buf, datagrams and counts.
type outbox struct {
	mu          *sync.Mutex // the ledger's
	changed     *sync.Cond  // the ledger's: a send has ended
	encoder     Encoder
	send        func(datagrams [][]byte) (int, error)
	sendRequest func(datagrams [][]byte) (int, error)
	books       books
	arrivals    *arrivals

	first, last *Slot // verdicts that wait to be sent
	waiting     int
	sending     bool
	requests    int  // requests that wait for their turn, before any more verdicts
	closed      bool // nothing may be sent any more
	dead        bool // the socket takes nothing any more

	timer *time.Timer
	armed bool // the timer runs

	limit     int    // most verdicts in a send: halved by EMSGSIZE, doubled after maxRun good sends
	good      int    // sends since
	emptyAt   uint64 // sequence number of the last packet when the socket was found empty
	retries   uint64
	run       [maxRun]*Slot
	batch     int // so many verdicts at the run's start go as one batch verdict
	buf       []byte
	datagrams [][]byte
	counts    []int // verdicts in each datagram
}

// A books is told what became of verdicts. It holds the mutex.
type books interface {
	// sent ends slots whose verdicts the kernel took.
	sent(run []*Slot)
	// unsendable ends a slot whose verdict no send can carry.
	unsendable(s *Slot, err error)
	// forget ends a slot whose packet the kernel gave up.
	forget(s *Slot)
	// died reports that the socket takes nothing any more.
	died(err error)
}

func (o *outbox) busy() bool { return o.sending || o.dead || o.requests > 0 }
func (o *outbox) full() bool { return o.waiting >= o.limit }

// push appends a slot to those that wait.
func (o *outbox) push(s *Slot) {
	if o.last == nil {
		o.first = s
	} else {
		o.last.behind = s
	}
	o.last = s
	o.waiting++
}

// pushBack puts slots that were not sent before those that wait.
func (o *outbox) pushBack(run []*Slot) {
	for i := len(run) - 1; i >= 0; i-- {
		s := run[i]
		s.behind = o.first
		o.first = s
		if o.last == nil {
			o.last = s
		}
		o.waiting++
	}
}

// sendWithin starts the timer unless it runs.
func (o *outbox) sendWithin(d time.Duration) {
	if !o.armed {
		o.armed = true
		o.timer.Reset(d)
	}
}

// timeout is called by the timer: it sends what has waited long enough.
func (o *outbox) timeout() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.armed = false
	o.flushNow()
}

// flushNow sends all that waits, unless somebody is sending.
func (o *outbox) flushNow() {
	if !o.busy() && o.waiting > 0 && !o.closed {
		o.flush(maxSends)
	}
}

// flush sends what waits, and what comes to wait meanwhile, in at most that
// many sends. The caller has made sure that nobody is sending. What is left
// then is for the timer, which has a goroutine of its own and sends all.
func (o *outbox) flush(sends int) {
	o.sending = true
	more := true
	for ; more && o.waiting > 0 && sends > 0 && o.requests == 0; sends-- {
		more = o.sendRun()
	}
	o.sending = false
	o.changed.Broadcast()
	switch {
	case o.waiting == 0:
		if o.armed && o.timer.Stop() {
			o.armed = false
		}
	case more:
		o.armed = true
		o.timer.Reset(0)
	}
}

// sendRun makes one send of what waits. It returns false when it is no use to
// go on at once.
func (o *outbox) sendRun() bool {
	run := o.pop()
	if len(run) == 0 {
		return true
	}
	o.mu.Unlock()
	o.encode(run)
	datagrams, err := o.send(o.datagrams)
	o.mu.Lock()

	sent := 0
	for _, n := range o.counts[:datagrams] {
		sent += n
	}
	o.books.sent(run[:sent])
	clear(o.datagrams)
	if sent == len(run) {
		if o.good++; o.good >= maxRun && o.limit < maxRun {
			o.limit, o.good = 2*o.limit, 0
		}
		return true
	}
	return o.failed(run[sent:], o.counts[datagrams], err)
}

// pop takes the next verdicts to send: up to limit, and no more bytes than
// belong into one send.
func (o *outbox) pop() []*Slot {
	n, size := 0, 0
	for s := o.first; s != nil && n < o.limit && size < maxSmall; s = o.first {
		o.first = s.behind
		s.behind = nil
		o.waiting--
		if s.superseded {
			o.books.forget(s)
			continue
		}
		o.run[n] = s
		n++
		size += max(len(s.Message), sizeVerdict)
	}
	if o.first == nil {
		o.last = nil
	}
	o.batch = o.batchable(o.run[:n])
	return o.run[:n]
}

// batchable returns how many verdicts at the start of run may be given as one
// batch verdict. A batch verdict decides every packet up to an id, so only an
// unbroken run from the oldest packet without a verdict qualifies. After a gap
// in the ids the socket must have been found empty once: until then packets of
// the gap might still be on their way.
func (o *outbox) batchable(run []*Slot) int {
	if len(run) < minAlike || !o.encoder.Batches(run[0].verdict) {
		return 0
	}
	oldest, n := o.arrivals.oldest, 0
	for _, s := range run {
		if s != oldest || !s.alike(run[0]) || s.gap && s.seq > o.emptyAt {
			break
		}
		n++
		oldest = oldest.next
	}
	for n > 0 && !o.encoder.Reaches(run[0].ID, run[n-1].ID) {
		n--
	}
	if n < minAlike {
		return 0
	}
	return n
}

// encode writes the messages of a run as datagrams: one for all small ones
// that follow each other, or one each, as the kernel's queue wants it.
func (o *outbox) encode(run []*Slot) {
	o.buf, o.datagrams, o.counts = o.buf[:0], o.datagrams[:0], o.counts[:0]
	start, count := 0, 0 // of the datagram being written
	if n := o.batch; n > 0 {
		o.buf = o.encoder.AppendBatch(o.buf, run[n-1].ID, run[0].verdict, n)
		run, count = run[n:], n
	}
	for _, s := range run {
		if large := len(s.Message) > largeOut; large || o.encoder.OneEach() {
			start, count = o.endDatagram(start, count)
			if large {
				o.encoder.Stamp(s.Message)
				o.datagrams = append(o.datagrams, s.Message)
				o.counts = append(o.counts, 1)
				continue
			}
		}
		o.align()
		if len(s.Message) == 0 {
			o.buf = o.encoder.AppendVerdict(o.buf, s.ID, s.verdict)
		} else {
			at := len(o.buf)
			o.buf = append(o.buf, s.Message...)
			o.encoder.Stamp(o.buf[at:])
		}
		count++
	}
	o.endDatagram(start, count)
}

// endDatagram closes the datagram of count verdicts that starts at start, and
// returns where the next one starts.
func (o *outbox) endDatagram(start, count int) (next, zero int) {
	if count > 0 {
		o.datagrams = append(o.datagrams, o.buf[start:])
		o.counts = append(o.counts, count)
		o.align()
	}
	return len(o.buf), 0
}

// align fills up to the four-byte boundary that messages start on.
func (o *outbox) align() {
	for len(o.buf)&3 != 0 {
		o.buf = append(o.buf, 0)
	}
}

// failed deals with verdicts the kernel did not take, the first count of which
// were in the datagram that failed with err. It returns false when it is no use
// to go on at once.
func (o *outbox) failed(rest []*Slot, count int, err error) bool {
	switch {
	case sock.TooLarge(err) && count > 1:
		o.pushBack(rest)
		o.limit, o.good = max(1, o.limit/2), 0
		return true
	case sock.TooLarge(err):
		o.pushBack(rest[1:])
		o.books.unsendable(rest[0], err)
		return true
	case sock.NoMemory(err):
		o.retries++
		o.pushBack(rest)
		o.sendWithin(retryDelay)
		return false
	}
	o.pushBack(rest)
	o.dead = true
	o.books.died(err)
	return false
}

// request sends datagrams that are no verdicts. It waits for the send under
// way, if any, and goes before all verdicts that wait. The caller holds the
// mutex.
func (o *outbox) request(datagrams [][]byte) error {
	o.requests++
	for o.sending {
		o.changed.Wait()
	}
	o.sending = true
	o.mu.Unlock()
	_, err := o.sendRequest(datagrams)
	o.mu.Lock()
	o.sending = false
	o.requests--
	o.changed.Broadcast()
	o.flushNow()
	return err
}

// close has nothing more sent, and returns when the send under way has ended.
func (o *outbox) close() {
	o.closed = true
	for o.sending {
		o.changed.Wait()
	}
	o.timer.Stop()
}
