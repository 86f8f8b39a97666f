package ledger

import (
	"sync"
	"time"

	"github.com/ipqueue/ipqueue/internal/sock"
)

// Limits of one send.
const (
	maxRun      = sock.MaxBatch // verdicts
	maxSmall    = 32 << 10      // bytes of verdicts in one send
	largeOut    = 4 << 10       // a longer message is a datagram by itself, and is not copied
	maxCarry    = 2             // sends that a verdict call makes, also for verdicts of others
	maxSends    = 1 << 20       // sends that a goroutine of the library makes: no limit
	sendDelay   = 100 * time.Microsecond
	retryDelay  = time.Millisecond // after ENOBUFS
	sizeVerdict = 64               // at least the size of a verdict without payload
	minAlike    = 2                // fewest equal verdicts to send as a batch verdict
)

// An outbox holds verdicts and sends them. One goroutine sends at a time, and
// releases the ledger's mutex during the system call. Verdicts that other
// goroutines give meanwhile wait, and go with its next send.
//
//	push -> [wait for others] -> flush: pop -> encode -> send -> books.sent
//
// The ledger's mutex guards all fields except run, buf, datagrams and counts:
// the goroutine that sends uses these during the call.
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
	sending     bool // a goroutine is sending
	requests    int  // requests that wait to be sent, before the verdicts
	lastRequest bool // no more requests are sent but the last
	closed      bool // nothing may be sent any more
	dead        bool // the socket is broken

	timer *time.Timer
	armed bool // the timer is running

	limit     int    // most verdicts in a send: halved by EMSGSIZE, doubled after maxRun good sends
	good      int    // good sends since limit was halved or doubled
	emptyAt   uint64 // sequence number of the last packet when the socket was last empty
	retries   uint64
	run       [maxRun]*Slot
	batch     int // number of verdicts at the start of run to send as one batch verdict
	buf       []byte
	datagrams [][]byte
	counts    []int // verdicts in each datagram
}

// A books is what the outbox calls about verdicts, with the mutex held.
type books interface {
	// sent frees slots whose verdicts the kernel accepted.
	sent(run []*Slot)
	// unsendable frees a slot whose verdict is too large to be sent.
	unsendable(s *Slot, err error)
	// forget removes a slot whose packet the kernel dropped.
	forget(s *Slot)
	// died is called when the socket is broken.
	died(err error)
}

func (o *outbox) busy() bool { return o.sending || o.dead || o.requests > 0 }
func (o *outbox) full() bool { return o.waiting >= o.limit }

// push appends a slot.
func (o *outbox) push(s *Slot) {
	if o.last == nil {
		o.first = s
	} else {
		o.last.behind = s
	}
	o.last = s
	o.waiting++
}

// pushBack puts slots that could not be sent in front of the others.
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

// sendWithin starts the timer unless it is running.
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

// flushNow sends everything, unless a goroutine is sending.
func (o *outbox) flushNow() {
	if !o.busy() && o.waiting > 0 && !o.closed {
		o.flush(maxSends)
	}
}

// flush sends the verdicts in the outbox, including those that others add
// meanwhile, in at most that many sends. The caller has checked that no other
// goroutine is sending. The timer, which has its own goroutine, sends the rest.
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

// sendRun sends some verdicts. It returns false if sending cannot continue now.
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

// pop removes the next verdicts to send: at most limit, and no more bytes than
// fit in one send.
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

// batchable returns the number of verdicts at the start of run that can be sent
// as one batch verdict. A batch verdict decides every packet up to an id, so
// only an unbroken run from the oldest undecided packet qualifies. After a gap
// in the ids, the socket must have been empty once: until then, packets of the
// gap might still arrive.
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

// encode writes the messages of a run as datagrams: one datagram for
// consecutive small messages, or one for each, depending on the kernel's queue.
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

// endDatagram ends the datagram of count verdicts that starts at start, and
// returns the start of the next one.
func (o *outbox) endDatagram(start, count int) (next, zero int) {
	if count > 0 {
		o.datagrams = append(o.datagrams, o.buf[start:])
		o.counts = append(o.counts, count)
		o.align()
	}
	return len(o.buf), 0
}

// align pads to the four-byte boundary on which messages must start.
func (o *outbox) align() {
	for len(o.buf)&3 != 0 {
		o.buf = append(o.buf, 0)
	}
}

// failed handles verdicts that the kernel did not accept. The first count of
// them were in the datagram that failed with err. It returns false if sending
// cannot continue now.
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

// request sends datagrams that are not verdicts. It waits for the send in
// progress, and goes before the verdicts in the outbox. After a request with
// last, others return ErrClosed, also if they were waiting then. The caller
// holds the mutex.
func (o *outbox) request(datagrams [][]byte, last bool) error {
	o.lastRequest = o.lastRequest || last
	o.requests++
	for o.sending {
		o.changed.Wait()
	}
	err := error(ErrClosed)
	if (last || !o.lastRequest) && !o.closed {
		o.sending = true
		o.mu.Unlock()
		_, err = o.sendRequest(datagrams)
		o.mu.Lock()
		o.sending = false
	}
	o.requests--
	o.changed.Broadcast()
	o.flushNow()
	return err
}

// close prevents further sends, and returns when the send in progress has
// ended.
func (o *outbox) close() {
	o.closed = true
	for o.sending {
		o.changed.Wait()
	}
	o.timer.Stop()
}
