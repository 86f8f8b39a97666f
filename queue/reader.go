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

// A reader receives datagrams and decodes them into packets. Only the holder of
// the token may read: the goroutine of Packets, the caller of All, a caller of
// SetMode that waits for the kernel's answer, the keeper, and finally Close.
//
//	socket -> fill: decode, copy into a slot -> enter -> ready -> channel or yield
type reader struct {
	binding
	backend    backend
	life       *life
	ledger     *ledger.Ledger
	clock      func() int64 // returns nanoseconds; nil if no time is needed
	mayWait    func() bool  // isIdle, bound once
	mayNotWait func() bool  // calls isIdle, but returns false

	released func()                       // called after the token was released
	fail     func(op string, err error)   // ends the queue
	refused  func(id uint64, errno errno) // called if the kernel refused a verdict
	counts   readCounts

	answers chan error    // the kernel's answer to the present request
	wanted  atomic.Uint64 // sequence number of the present request, with the bit asked; 0 for none
	turn    chan struct{} // holds one value while there is a request
	seq     uint32        // sequence number of the last request; guarded by turn

	token chan struct{} // holds one value while a goroutine reads

	// The following fields are guarded by the token.
	buffers             buffers
	ready               []Packet // decoded and entered, not yet returned by next
	intake              *ledger.Intake
	room                int           // at least this many more packets may be received
	every               time.Duration // the longest time between two reads, with Config.Deadline
	lastRead, lastEmpty int64         // times of the last read, and when the socket was last empty
	waited              bool          // the socket was empty during the present read
	lastID              uint32        // id of the packet decoded last
	slack               int           // packets that may be received in addition to MaxUndecided
	extra               extra         // the metadata of the packet decoded last
	spent               *ledger.Slot  // slot of packets for Config.OnExpired; nil without it
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
		case r.token <- struct{}{}: // no reader that would trim
			r.trim()
			r.release()
		default:
		}
	})
}

// next returns packets that have been received, and waits if there are none. It
// reuses the memory of spent, a slice that it returned before. It may return no
// packets; then it must be called again. The error is errStop at the end of the
// stream.
func (r *reader) next(spent []Packet) ([]Packet, error) {
	clear(spent) // they would keep the memory of their packets
	if cap(spent) > mostReady {
		spent = nil
	}
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
	// Wait for a verdict without the token, so that a request can still read
	// its answer.
	select {
	case <-r.ledger.Vacancy():
		return batch, nil
	case <-r.life.stopped:
		return batch, errStop
	}
}

// release releases the token.
func (r *reader) release() {
	<-r.token
	r.released()
}

// hasRoom reports whether a packet may be received without exceeding
// MaxUndecided. If not, the channel ledger.Vacancy receives a value when that
// changes.
func (r *reader) hasRoom() bool {
	if r.room <= 0 {
		r.room = r.ledger.Room(r.cfg.MaxUndecided + r.slack)
	}
	return r.room > 0
}

// isIdle is called by the socket when it is empty, and reports whether to wait.
// It sends verdicts that wait for others, before the reader sleeps.
func (r *reader) isIdle() bool {
	r.waited = true
	r.buffers.socketEmpty()
	r.intake.SocketEmpty()
	return !r.life.isAt(draining)
}

// fill receives one batch. The caller holds the token, and hasRoom has returned
// true. fill returns nil if it may be called again, even if it received
// nothing.
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
		return errStop // isIdle returned false: draining, and the socket is empty
	}
	arrived, before := r.arrival(n < len(batch)), len(r.ready)
	for i := range batch[:n] {
		r.datagram(&batch[i], arrived)
	}
	r.buffers.filled(len(r.ready) - before)
	r.enter(n)
	return nil
}

// arrival returns the time when the packets of the last read arrived. all
// reports whether the read emptied the socket. If the reader waited for the
// packets, the time is now. Otherwise they may have arrived at any time since
// the socket was last empty. With a deadline the last read was at most every
// ago, unless MaxUndecided prevented it.
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

// readOn makes up to most reads, without waiting, until the socket is empty. It
// returns the number of reads. The caller holds the token.
func (r *reader) readOn(most int) (reads int) {
	for reads < most && r.hasRoom() && r.fill(r.mayNotWait) == nil {
		reads++
	}
	return reads
}

// dropExpired removes packets that expired before next returned them. The
// caller holds the token.
func (r *reader) dropExpired() {
	r.ready = slices.DeleteFunc(r.ready, func(p Packet) bool { return !p.slot.Open(p.seq) })
	if len(r.ready) == 0 && cap(r.ready) > mostReady {
		r.ready = nil
	}
}

// trim frees memory that has not been needed for some time.
func (r *reader) trim() {
	if r.buffers.reduce() && r.intake.Trim() > 0 {
		r.buffers.lookLater() // for the packets that are still undecided
	}
}

// receiveFailed returns nil if the stream continues after an error of Receive.
func (r *reader) receiveFailed(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		// The callers of wake first set a condition and then the deadline. So
		// either the condition is checked after this, or the deadline ends the
		// next wait.
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

// wake ends a wait for packets, so that the reader checks its conditions again.
func (r *reader) wake() { _ = r.sock.SetReadDeadline(time.Unix(1, 0)) }

// now returns the time of the clock, or 0 without a clock.
func (r *reader) now() int64 {
	if r.clock == nil {
		return 0
	}
	return r.clock()
}

// enter passes the packets of a batch of n datagrams to the ledger: from then
// on they can be decided and are counted.
func (r *reader) enter(n int) {
	r.counts.lastID.Store(r.lastID)
	undecided := r.intake.Enter(n > 1)
	r.room = r.cfg.MaxUndecided + r.slack - undecided
	if undecided > sock.MaxBatch {
		r.buffers.lookLater()
	}
}

// datagram handles one datagram, which contains one message.
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

// packet decodes a packet message into r.ready and moves its bytes into a slot:
// either it copies them, or the slot and the datagram exchange buffers. If the
// message is damaged but contains an id, the ledger decides the packet.
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

// appendTo copies b into buf at offset n.
func appendTo(buf []byte, n int, b []byte) (in []byte, end int) {
	end = n + copy(buf[n:], b)
	return buf[n:end:end], end
}

// errorReply handles the kernel's answer to a request, or its refusal of a
// verdict. EPERM for a verdict means that the kernel discarded the whole
// datagram, and will discard later ones.
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

// readOut reads for Close what is still in the socket. The kernel adds no more
// packets. The number of reads is limited in case another process keeps
// sending.
func (r *reader) readOut(handle func(*sock.Datagram)) {
	for range 1 << 12 {
		batch := r.buffers.next(sock.MaxBatch)
		n, err := r.sock.Receive(batch, func() bool { return false })
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded): // from a late call of wake
			_ = r.sock.SetReadDeadline(time.Time{})
		case n == 0 && !errors.Is(err, enobufs):
			return
		}
		for i := range batch[:n] {
			handle(&batch[i])
		}
		r.buffers.filled(n)
		r.enter(n)
		clear(r.ready)
		r.ready = r.ready[:0]
	}
}

// received handles a datagram in readOut as fill does.
func (r *reader) received(d *sock.Datagram) { r.datagram(d, r.now()) }

// lateReply handles a datagram that arrives after the last verdicts. It only
// counts packets: the kernel decides them when the socket closes.
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
	// mostReady is the capacity of a slice of packets that is used again. It is
	// exceeded after the application has hung.
	mostReady = 4 * sock.MaxBatch
	// readsPerDeadline is how often packets are read during a deadline, even if
	// the application hangs.
	readsPerDeadline = 8
	// looksPerRead is how often the keeper checks, per read due, whether there
	// was a read.
	looksPerRead = 2
	// leastEvery is the shortest interval of the keeper's timer.
	leastEvery = time.Millisecond
)

// readEvery returns the longest time between two reads, or 0 without a
// deadline.
func readEvery(deadline time.Duration) time.Duration {
	if deadline == 0 {
		return 0
	}
	return max(deadline/readsPerDeadline, looksPerRead*leastEvery)
}
