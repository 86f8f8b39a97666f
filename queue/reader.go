package queue

import (
	"errors"
	"os"
	"time"

	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/wire"
)

// A reader turns datagrams into packets. Whoever holds the token may read:
// the goroutine of Packets, the caller of All, whoever waits in SetMode for
// the kernel's answer, and at last Close.
//
//	socket -> fill: decode, copy into a slot -> link -> ready -> channel or yield
type reader struct {
	token chan struct{} // holds one value while somebody reads

	// The rest belongs to the holder of the token.
	batch   [sock.MaxBatch]sock.Datagram
	ready   []Packet // decoded and linked, not yet taken by next
	salvage []*slot  // to be decided at once, for their message is damaged
	stash   freeList // slots for the next packets
	filled  []*slot  // slots of this batch, not yet linked
	room    int      // at least so many packets may be taken
	slack   int      // packets that may be taken beyond MaxUndecided
	spares  int      // big buffers made for packets that could have been copied
	created int      // slots made for this batch
	lastSeq uint64
	extra   extra // what lay beside the packet decoded last
	count   readCounters
}

// errStop ends the stream: the queue is closing, or it is draining and
// everything has been read.
var errStop = errors.New("stop")

func (r *reader) init(c *Config) {
	r.token = make(chan struct{}, 1)
	r.room = c.MaxUndecided
	for i := range r.batch {
		r.batch[i].Buf = make([]byte, receiveSize)
	}
}

// next returns the packets that have been received, waiting for some. The
// slice handed in gives its memory for later ones. It may return none, to be
// called again; the error is errStop at the end of the stream.
func (q *Queue) next(spent []Packet) ([]Packet, error) {
	r := &q.reader
	r.token <- struct{}{}
	var err error
	full := false
	if len(r.ready) == 0 {
		if full = !q.hasRoom(); !full {
			err = q.fill()
		}
	}
	batch := r.ready
	r.ready = spent[:0]
	<-r.token
	switch {
	case len(batch) > 0:
		return batch, nil
	case full:
		return batch, q.waitForRoom()
	}
	return batch, err
}

// waitForRoom waits until a packet has been decided. It does so without the
// token: an answer to a request can still be waited for.
func (q *Queue) waitForRoom() error {
	select {
	case <-q.writer.room:
		return nil
	case <-q.stopped:
		return errStop
	}
}

// hasRoom reports whether a packet may be taken without exceeding
// MaxUndecided. If not, writer.room will tell when one may.
func (q *Queue) hasRoom() bool {
	r, w := &q.reader, &q.writer
	if r.room > 0 {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flowing = false
	w.flushUnlessSending()
	r.room = q.cfg.MaxUndecided + r.slack - w.arrivals.n
	w.starved = r.room <= 0
	return r.room > 0
}

// mayWait is asked by the socket when there is nothing to read. Verdicts that
// were waiting for company go out before the reader sleeps.
func (q *Queue) mayWait() bool {
	q.writer.socketEmpty(q.reader.lastSeq)
	return q.life.Load() < draining
}

// fill receives one batch. The caller holds the token and there is room. It
// returns nil if it is worth calling again, also when nothing came.
func (q *Queue) fill() error {
	if q.life.Load() >= closing {
		return errStop
	}
	r := &q.reader
	n, err := q.sock.Receive(r.batch[:min(r.room, len(r.batch))], q.idle)
	switch {
	case err != nil:
		return q.receiveFailed(err)
	case n == 0:
		return errStop // it did not wait: draining, and all is read
	}
	now := q.now()
	for i := range r.batch[:n] {
		q.datagram(&r.batch[i], now)
	}
	q.link(n)
	return nil
}

// receiveFailed decides whether the stream survives an error of Receive.
func (q *Queue) receiveFailed(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		// Whoever wants the reader's attention sets its condition first and
		// the deadline then: the condition is seen after this, or the
		// deadline ends the next wait.
		return q.sock.SetReadDeadline(time.Time{})
	case errors.Is(err, enobufs):
		q.reader.count.Overruns++
		q.link(0)
		return nil
	case errors.Is(err, sock.ErrClosed):
		return errStop
	}
	q.fail("receive", err)
	return errStop
}

// datagram takes one datagram apart. It holds one message.
func (q *Queue) datagram(d *sock.Datagram, now int64) {
	r := &q.reader
	if d.From != 0 {
		r.count.Foreign++
		return
	}
	var h wire.Header
	body, err := h.Parse(q.kernel.layout(), d.Buf[:d.N])
	switch {
	case h.Type == q.kernel.packetType():
		q.packet(d, body, err != nil || d.Truncated, now)
	case err == nil && h.Type == wire.NLMsgError:
		q.errorReply(h, body)
	default:
		r.count.Malformed++
	}
}

// packet decodes a packet message, in the place where next will find it, and
// keeps what it held in a slot. A damaged one is decided for the application if it
// at least shows its id.
func (q *Queue) packet(d *sock.Datagram, body []byte, damaged bool, now int64) {
	r := &q.reader
	r.ready = append(r.ready, Packet{})
	last := len(r.ready) - 1
	p, x := &r.ready[last], &r.extra
	hasID, err := q.kernel.decode(body, p, x)
	if !hasID {
		r.ready = r.ready[:last]
		r.count.Malformed++
		return
	}
	r.count.Missed += x.missed
	s := q.newSlot(len(p.Payload) + x.size())
	r.lastSeq++
	s.begin(p.ID, now)
	s.gap = x.missed > 0
	r.filled = append(r.filled, s)
	if damaged || err != nil {
		s.cause, s.action = byDamage, q.cfg.OnDeadline
		r.ready = r.ready[:last]
		r.salvage = append(r.salvage, s)
		return
	}
	s.mark = p.Mark
	s.keep(p, x, d)
	p.slot, p.seq = s, r.lastSeq
}

// newSlot returns a slot with a buffer of at least size bytes.
func (q *Queue) newSlot(size int) *slot {
	r := &q.reader
	class := r.class(size)
	if len(r.stash[class]) == 0 {
		q.makeSlots(class)
	}
	return r.stash.pop(class)
}

// class chooses the class of slot for a packet. The smallest packets are
// copied as fast as they are handed over in the buffer they came in; others
// keep that while there are spare ones to take its place.
func (r *reader) class(size int) int {
	class := classFor(size)
	switch {
	case class == 0:
		return class
	case len(r.stash[bigClass]) > 0:
		return bigClass
	case r.spares < spareBuffers:
		r.spares++
		return bigClass
	}
	return class
}

// makeSlots adds slots of a class to the stash, several at once unless they
// are large.
func (q *Queue) makeSlots(class int) {
	n := slotChunk
	if class == bigClass {
		n = 1
	}
	size := classSize[class]
	slots, memory := make([]slot, n), make([]byte, n*size)
	for i := range slots {
		s := &slots[i]
		s.q, s.class = q, class
		s.buf, memory = memory[:size:size], memory[size:]
		q.reader.stash.push(s)
	}
	q.reader.created += n
}

// begin gives the slot to a packet.
func (s *slot) begin(id uint64, now int64) {
	s.id, s.arrived = id, now
	s.cause, s.action, s.replaces, s.succeeded = byApplication, 0, false, false
	s.out = s.out[:0]
}

// keep moves what the message held into the slot's memory: it is copied, or
// the slot and the datagram swap buffers.
func (s *slot) keep(p *Packet, x *extra, d *sock.Datagram) {
	if s.class == bigClass {
		s.buf, d.Buf = d.Buf, s.buf
		s.link, s.secctx, s.conntrack = x.link, x.secctx, x.conntrack
		return
	}
	n := copy(s.buf, p.Payload)
	p.Payload = s.buf[:n:n]
	if x.size() > 0 {
		s.link, n = s.append(n, x.link)
		s.secctx, n = s.append(n, x.secctx)
		s.conntrack, _ = s.append(n, x.conntrack)
	}
}

// append copies b behind the first n bytes of the slot's buffer.
func (s *slot) append(n int, b []byte) (in []byte, end int) {
	end = n + copy(s.buf[n:], b)
	return s.buf[n:end:end], end
}

// link makes the packets of a batch of n datagrams known to the writer: from
// here on they can be decided and are accounted for.
func (q *Queue) link(n int) {
	r, w := &q.reader, &q.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	seq := r.lastSeq - uint64(len(r.filled))
	for i, s := range r.filled {
		seq++
		w.arrive(s, seq)
		r.filled[i] = nil
	}
	w.slots += r.created
	w.count.read.add(&r.count)
	w.flowing = n > 1
	w.free.stock(&r.stash)
	w.watchDeadline()
	w.decideDamaged(r.salvage)
	r.filled, r.salvage = r.filled[:0], r.salvage[:0]
	r.created, r.count = 0, readCounters{}
	r.room = q.cfg.MaxUndecided + r.slack - w.arrivals.n
}

// decideDamaged gives the configured verdict to packets whose message was
// damaged.
func (w *writer) decideDamaged(damaged []*slot) {
	for i, s := range damaged {
		damaged[i] = nil
		if taken, _ := s.take(); taken {
			_ = w.push(s)
		}
	}
	if len(damaged) > 0 {
		w.flushUnlessSending()
	}
}

// arrive takes a packet into the list of arrivals. With ip_queue an id that
// is used again proves that the kernel gave up the packet that had it. Unless
// somebody is deciding that one, it ends here.
func (w *writer) arrive(s *slot, seq uint64) {
	s.seq, s.state = seq, open
	w.count.received++
	w.arrivals.add(s)
	if w.ids == nil {
		return
	}
	old := w.ids.replace(s)
	if old == nil {
		return
	}
	old.succeeded = true
	if taken, _ := old.take(); taken {
		w.forget(old)
	}
}

// forget ends a packet that the kernel gave up. Its slot is not used again, so
// that a late verdict learns why.
func (w *writer) forget(s *slot) {
	s.state = gone
	w.count.gone++
	w.slots--
	w.arrivals.remove(s)
	w.madeRoom()
}

// errorReply handles the kernel's answer to a request or its refusal of a
// verdict.
func (q *Queue) errorReply(h wire.Header, body []byte) {
	e, err := q.kernel.layout().ParseError(h, body)
	if err != nil {
		q.reader.count.Malformed++
		return
	}
	if q.control.answered(q.kernel, &e) {
		return
	}
	if id, n := q.kernel.refused(&e); n > 0 && e.Errno != 0 {
		q.verdictRefused(id, n, errno(e.Errno))
	}
}

// verdictRefused accounts for n verdicts that the kernel did not carry out.
// EPERM means that it discarded the whole datagram, and will discard the next.
func (q *Queue) verdictRefused(id, n uint64, why errno) {
	r := &q.reader
	r.count.Refused += n
	switch why {
	case enoent:
		r.count.Late += n
	case eperm:
		q.fail("verdict", explainVerdictEPERM(why))
	}
	q.tellRefused(id, why)
}
