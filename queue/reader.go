package queue

import (
	"errors"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ipqueue/ipqueue/internal/ledger"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/wire"
)

// A reader turns datagrams into packets. Whoever holds the token may read:
// the goroutine of Packets, the caller of All, whoever waits in SetMode for
// the kernel's answer, and at last Close.
//
//	socket -> fill: decode, copy into a slot -> enter -> ready -> channel or yield
type reader struct {
	binding
	backend    backend
	life       *life
	ledger     *ledger.Ledger
	clock      func() int64 // nanoseconds; nil if nobody needs it
	mayWait    func() bool  // isIdle, bound once
	mayNotWait func() bool  // the same, and false

	released func()                       // the token was given back
	fail     func(op string, err error)   // ends the queue
	refused  func(id uint64, errno errno) // the kernel refused a verdict
	counts   readCounts

	answers chan error    // the kernel's answer to the request under way
	wanted  atomic.Uint64 // that request's sequence number, and asked; 0 for none
	turn    chan struct{} // holds one value while a request is under way
	seq     uint32        // of the last request; the holder of turn's

	token chan struct{} // holds one value while somebody reads

	// The rest belongs to the holder of the token.
	buffers             buffers
	ready               []Packet // decoded and entered, not yet taken by next
	intake              *ledger.Intake
	room                int           // at least so many packets may be taken
	every               time.Duration // how long packets may be unread, with Config.Deadline
	lastRead, lastEmpty int64         // when there was a read, and the socket was found empty, by the clock
	waited              bool          // the socket was found empty in the read under way
	lastID              uint32        // of the packet decoded last
	slack               int           // packets that may be taken beyond MaxUndecided
	extra               extra         // what lay beside the packet decoded last
	spent               *ledger.Slot  // of packets for Config.OnExpired; nil without
}

// errStop ends the stream: the queue is closing, or it is draining and
// everything has been read.
var errStop = errors.New("stop")

func (r *reader) init() {
	r.token = make(chan struct{}, 1)
	r.turn = make(chan struct{}, 1)
	r.answers = make(chan error, 1)
	r.room = r.cfg.MaxUndecided
	r.request = r.ask
	r.mayWait = r.isIdle
	r.mayNotWait = func() bool {
		r.isIdle()
		return false
	}
	r.every = readEvery(r.cfg.Deadline)
	r.buffers.init(&r.cfg, func() {
		r.wake()
		select {
		case r.token <- struct{}{}: // nobody reads who would do it
			r.trim()
			r.release()
		default:
		}
	})
}

// next returns the packets that have been received, waiting for some. The
// slice handed in gives its memory for later ones. It may return none, to be
// called again; the error is errStop at the end of the stream.
func (r *reader) next(spent []Packet) ([]Packet, error) {
	r.token <- struct{}{}
	var err error
	full := false
	if len(r.ready) == 0 {
		if full = !r.hasRoom(); !full {
			err = r.fill(r.mayWait)
		}
	}
	batch := r.ready
	r.ready = spent[:0]
	r.release()
	if len(batch) > 0 || !full {
		if len(batch) > 0 {
			err = nil
		}
		return batch, err
	}
	// Wait for a verdict without the token: an answer to a request can still
	// be waited for.
	select {
	case <-r.ledger.Vacancy():
		return batch, nil
	case <-r.life.stopped:
		return batch, errStop
	}
}

// release gives the token back.
func (r *reader) release() {
	<-r.token
	r.released()
}

// hasRoom reports whether a packet may be taken without exceeding
// MaxUndecided. If not, the ledger's Vacancy receives when one may.
func (r *reader) hasRoom() bool {
	if r.room <= 0 {
		r.room = r.ledger.Room(r.cfg.MaxUndecided + r.slack)
	}
	return r.room > 0
}

// isIdle is called by the socket when there is nothing to read, and reports
// whether to wait. Verdicts that wait for others are sent before the reader
// sleeps.
func (r *reader) isIdle() bool {
	r.waited = true
	r.buffers.socketEmpty()
	r.intake.SocketEmpty()
	return !r.life.isAt(draining)
}

// fill receives one batch. The caller holds the token and there is room. It
// returns nil if it is worth calling again, also when nothing came.
func (r *reader) fill(idle func() bool) error {
	if r.life.isAt(closing) {
		return errStop
	}
	r.trim()
	batch := r.buffers.next(r.room)
	r.waited = false
	n, err := r.sock.Receive(batch, idle)
	switch {
	case err != nil:
		return r.receiveFailed(err)
	case n == 0:
		return errStop // it did not wait: draining, and all is read
	}
	arrived, before := r.arrival(n < len(batch)), len(r.ready)
	for i := range batch[:n] {
		r.datagram(&batch[i], arrived)
	}
	r.buffers.filled(len(r.ready) - before)
	r.enter(n)
	return nil
}

// arrival returns when packets arrived of which one read brought all there were,
// or did not. That is known if the reader waited for them; else they may have
// arrived as early as the socket was last found empty. Unless MaxUndecided kept
// the reader from it, there was a read since, at most every ago.
func (r *reader) arrival(all bool) int64 {
	if r.clock == nil {
		return 0
	}
	now, empty := r.clock(), r.lastEmpty
	r.lastRead = now
	if all {
		r.lastEmpty = now
	}
	if r.waited || r.every == 0 {
		return now
	}
	return max(empty, now-int64(r.every))
}

// readOn receives what is there, in at most so many reads, without waiting. It
// returns how many there were. The caller holds the token.
func (r *reader) readOn(most int) (reads int) {
	for reads < most && r.hasRoom() && r.fill(r.mayNotWait) == nil {
		reads++
	}
	return reads
}

// dropExpired forgets the packets that expired before the application took
// them. The caller holds the token.
func (r *reader) dropExpired() {
	r.ready = slices.DeleteFunc(r.ready, func(p Packet) bool { return !p.slot.Open(p.seq) })
}

// trim drops memory that a burst needed long ago.
func (r *reader) trim() {
	if r.buffers.reduce() {
		r.intake.Trim()
	}
}

// receiveFailed decides whether the stream survives an error of Receive.
func (r *reader) receiveFailed(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		// Whoever wants the reader's attention sets its condition first and
		// the deadline then: the condition is seen after this, or the
		// deadline ends the next wait.
		if r.waited && r.clock != nil {
			r.lastEmpty = r.clock()
		}
		return r.sock.SetReadDeadline(time.Time{})
	case errors.Is(err, enobufs):
		r.counts.overruns.Add(1)
		return nil
	case errors.Is(err, sock.ErrClosed):
		return errStop
	}
	r.fail("receive", err)
	return errStop
}

// wake ends a wait for packets, so that conditions are looked at again.
func (r *reader) wake() { _ = r.sock.SetReadDeadline(time.Unix(1, 0)) }

// now reads the clock, if it is on.
func (r *reader) now() int64 {
	if r.clock == nil {
		return 0
	}
	return r.clock()
}

// enter makes the packets of a batch of n datagrams known to the ledger: from
// here on they can be decided and are accounted for.
func (r *reader) enter(n int) {
	r.counts.lastID.Store(r.lastID)
	r.room = r.cfg.MaxUndecided + r.slack - r.intake.Enter(n > 1)
}

// datagram takes one datagram apart. It holds one message.
func (r *reader) datagram(d *sock.Datagram, now int64) {
	if d.From != 0 {
		r.counts.foreign.Add(1)
		return
	}
	var h wire.Header
	body, err := h.Parse(r.backend.layout(), d.Buf[:d.N])
	switch {
	case h.Type == r.backend.packetType():
		r.packet(d, body, err != nil || d.Truncated, now)
	case err == nil && h.Type == wire.NLMsgError:
		r.errorReply(h, body)
	default:
		r.counts.malformed.Add(1)
	}
}

// packet decodes a packet message, in the place where next will find it, and
// moves what it held into a slot: it is copied, or the slot and the datagram
// exchange buffers. The ledger decides a damaged packet if it at least shows
// its id.
func (r *reader) packet(d *sock.Datagram, body []byte, damaged bool, now int64) {
	r.ready = append(r.ready, Packet{})
	last := len(r.ready) - 1
	p, x := &r.ready[last], &r.extra
	hasID, err := r.backend.decode(body, p, x)
	if !hasID {
		r.ready = r.ready[:last]
		r.counts.malformed.Add(1)
		return
	}
	if x.missed > 0 {
		r.counts.missed.Add(x.missed)
	}
	r.lastID = uint32(p.ID)
	if d.Truncated {
		r.buffers.truncated()
	}
	s, seq, whole := r.intake.Slot(p.ID, len(p.Payload)+x.size())
	r.intake.Arrived(now, x.missed > 0)
	if damaged || err != nil {
		r.intake.Damaged(ledger.Action(r.cfg.OnDeadline))
		r.ready = r.ready[:last]
		return
	}
	s.Mark = p.Mark
	p.slot, p.seq = s, seq
	beside, _ := s.Memo.(*aside)
	if whole {
		s.Buf = r.buffers.exchange(d, s.Buf)
	} else {
		n := copy(s.Buf, p.Payload)
		p.Payload = s.Buf[:n:n]
		if x.size() > 0 {
			x.link, n = appendTo(s.Buf, n, x.link)
			x.secctx, n = appendTo(s.Buf, n, x.secctx)
			x.conntrack, _ = appendTo(s.Buf, n, x.conntrack)
		}
	}
	if beside == nil && (x.size() > 0 || r.spent != nil) {
		beside = new(aside)
		s.Memo = beside
	}
	if beside != nil {
		beside.link, beside.secctx, beside.conntrack = x.link, x.secctx, x.conntrack
	}
	if r.spent != nil {
		beside.remember(p, r.spent)
	}
}

// appendTo copies b behind the first n bytes of buf.
func appendTo(buf []byte, n int, b []byte) (in []byte, end int) {
	end = n + copy(buf[n:], b)
	return buf[n:end:end], end
}

// errorReply handles the kernel's answer to a request or its refusal of a
// verdict. EPERM for a verdict means that the kernel discarded the whole
// datagram, and will discard the next.
func (r *reader) errorReply(h wire.Header, body []byte) {
	e, err := r.backend.layout().ParseError(h, body)
	if err != nil {
		r.counts.malformed.Add(1)
		return
	}
	if r.answered(&e) {
		return
	}
	id, n := r.backend.refused(&e)
	if n == 0 || e.Errno == 0 {
		return
	}
	why := errno(e.Errno)
	r.counts.refused.Add(n)
	switch why {
	case enoent:
		r.counts.late.Add(n)
	case eperm:
		r.fail("verdict", explainVerdictEPERM(why))
	}
	r.refused(id, why)
}

// readOut reads, for Close, what the socket still holds. The kernel adds no
// packets any more; the bound is for other processes that might send.
func (r *reader) readOut(handle func(*sock.Datagram)) {
	for range 1 << 12 {
		batch := r.buffers.next(sock.MaxBatch)
		n, err := r.sock.Receive(batch, func() bool { return false })
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded): // of a call to wake that came late
			_ = r.sock.SetReadDeadline(time.Time{})
		case n == 0 && !errors.Is(err, enobufs):
			return
		}
		for i := range batch[:n] {
			handle(&batch[i])
		}
		r.buffers.filled(n) // mostly answers
		r.enter(n)
		clear(r.ready)
		r.ready = r.ready[:0]
	}
}

// received handles a datagram as fill does.
func (r *reader) received(d *sock.Datagram) { r.datagram(d, r.now()) }

// lateReply handles what the kernel said to the last verdicts. Packets that
// come with it were never received: the kernel decides them when the socket
// closes.
func (r *reader) lateReply(d *sock.Datagram) {
	var h wire.Header
	_, err := h.Parse(r.backend.layout(), d.Buf[:d.N])
	switch {
	case err == nil && h.Type == wire.NLMsgError:
		r.datagram(d, 0)
	case h.Type == r.backend.packetType():
		r.counts.unread.Add(1)
	}
}

const (
	// readsPerDeadline is how often in the time of a deadline packets are read,
	// whoever hangs.
	readsPerDeadline = 8
	// looksPerRead is how often in that time a keeper looks whether there was
	// a read.
	looksPerRead = 2
	// leastEvery bounds how often the timer fires.
	leastEvery = time.Millisecond
)

// readEvery is how long packets may be unread. It is 0 without a deadline.
func readEvery(deadline time.Duration) time.Duration {
	if deadline == 0 {
		return 0
	}
	return max(deadline/readsPerDeadline, looksPerRead*leastEvery)
}
