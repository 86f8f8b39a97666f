package queue

import (
	"sync"
	"sync/atomic"

	"github.com/ipqueue/ipqueue/internal/ledger"
)

// A stream delivers the packets that the reader receives to the application:
// through its own channel, through the channel of a Group, or to a loop over
// All. The first use decides which.
type stream struct {
	reader   *reader
	life     *life
	ledger   *ledger.Ledger
	whenFull Action

	use   atomic.Int32
	start sync.Once
	out   atomic.Pointer[outlet] // nil until there is a channel
	last  func()                 // called after the last packet was sent to the channel
	done  chan struct{}          // closed when the goroutine that feeds the channel ends

	batch []Packet // packets for a loop over All
	at    int      // index of the next one

	expired atomic.Uint64 // sequence number of the last packet that the deadline has decided
}

// An outlet is a channel that the streams of one or several queues feed.
type outlet struct {
	to      chan Packet
	expired chan struct{} // receives a value when a packet expires, which may be in the channel
	turn    chan struct{} // holds one value while a stream sends; nil if streams need not take turns
	full    chan struct{} // delivers values while the stream that has the turn waits for the application

	// The following fields are used only if packets may expire, by the stream
	// that has the turn.
	recent []sentPacket // the packets in the channel, by their number, in a ring
	sent   uint64       // number of packets sent
	kept   []Packet     // scratch memory of sweep
}

// A sentPacket identifies a packet that was sent to the channel.
type sentPacket struct {
	stream *stream
	seq    uint64
}

// newOutlet returns an outlet. expire means that packets may expire, and shared
// that several streams feed the outlet.
func newOutlet(capacity int, expire, shared bool) *outlet {
	o := &outlet{to: make(chan Packet, capacity), expired: make(chan struct{}, 1)}
	if expire {
		o.recent = make([]sentPacket, capacity)
	}
	if expire && shared {
		o.turn, o.full = make(chan struct{}, 1), make(chan struct{})
	}
	return o
}

// begin waits until no other stream is sending, and excludes others until end.
// It returns false if the queue is stopped first. With whenFull it also returns
// false, instead of waiting, if the stream that is sending waits for the
// application.
func (s *stream) begin(o *outlet) bool {
	if o.turn == nil {
		return true
	}
	var full chan struct{}
	if s.whenFull != 0 {
		full = o.full
	}
	select {
	case o.turn <- struct{}{}:
		return true
	case <-full:
		return false
	case <-s.life.stopped:
		return false
	}
}

// end lets other streams send.
func (o *outlet) end() {
	if o.turn != nil {
		<-o.turn
	}
}

// note records that a packet was sent to the channel. The caller has called
// begin.
func (o *outlet) note(s *stream, p *Packet) {
	if len(o.recent) > 0 {
		o.recent[o.sent%uint64(len(o.recent))] = sentPacket{s, p.seq}
		o.sent++
	}
}

// first returns the number of the first packet in the channel, which is o.sent
// if the channel is empty.
func (o *outlet) first() uint64 { return o.sent - uint64(len(o.to)) }

// hasExpired reports whether the packet with that number has expired.
func (o *outlet) hasExpired(number uint64) bool {
	p := o.recent[number%uint64(len(o.recent))]
	return p.stream.hasExpired(p.seq)
}

// sweep removes expired packets from the channel. The application may receive
// from the channel meanwhile, so sweep takes out no other packets if it can:
// these would change their order. The caller has called begin.
func (o *outlet) sweep() {
	// Those of one queue expire in the order in which they were sent.
	for i := o.first(); i < o.sent && o.hasExpired(i) && len(o.kept) == 0; i = o.first() {
		o.takeBack()
	}
	others := len(o.kept) > 0
	for i := o.first(); i < o.sent && !others; i++ {
		others = o.hasExpired(i)
	}
	if !others {
		return
	}
	for range len(o.to) {
		o.takeBack()
	}
	for i := range o.kept {
		p := &o.kept[i]
		o.to <- *p // does not block: no other stream sends
		o.note(&p.Queue().stream, p)
	}
	clear(o.kept)
	o.kept = o.kept[:0]
}

// takeBack takes a packet out of the channel, if there is one, and keeps it
// unless it has expired.
func (o *outlet) takeBack() {
	select {
	case p := <-o.to:
		if p.Queue().stream.isLive(&p) {
			o.kept = append(o.kept, p)
		}
	default: // the application took it
	}
}

// The ways to receive the packets of a queue.
const (
	unused int32 = iota
	byChannel
	byGroup // by the channel of a Group
	byPull
	byPullNow // a loop over All is running
)

func (s *stream) init() { s.done = make(chan struct{}) }

// hasBacklog reports whether the channel contains packets.
func (s *stream) hasBacklog() bool {
	o := s.out.Load()
	return o != nil && len(o.to) > 0
}

// packetExpired is called when the deadline has decided a packet, which may
// still be in the channel or in a batch. Packets expire in order, except those
// for which somebody was making up a verdict: these have been delivered.
func (s *stream) packetExpired(seq uint64) {
	if s.hasExpired(seq) {
		return
	}
	s.expired.Store(seq)
	if o := s.out.Load(); o != nil {
		select {
		case o.expired <- struct{}{}:
			s.reader.wake()
		default: // the sweep for an earlier packet is still due, and is for both
		}
	}
}

// hasExpired reports whether a packet that was not delivered has expired.
func (s *stream) hasExpired(seq uint64) bool { return seq <= s.expired.Load() }

// isLive reports whether a packet that was not delivered has not expired.
func (s *stream) isLive(p *Packet) bool { return !s.hasExpired(p.seq) }

// channel returns the channel of the queue itself. The first call creates it.
func (s *stream) channel(capacity int) <-chan Packet {
	s.start.Do(func() {
		o := newOutlet(capacity, s.reader.cfg.Deadline > 0, false)
		s.feed(byChannel, o, func() { close(o.to) })
	})
	if s.use.Load() != byChannel {
		panic("queue: Packets called on a Queue whose packets are already received with All or by a Group")
	}
	return s.out.Load().to
}

// feed starts the goroutine that sends the packets to a channel. The goroutine
// calls last after the last packet. feed returns false if the packets are
// already received in another way. Only the function passed to s.start may call
// feed.
func (s *stream) feed(use int32, o *outlet, last func()) bool {
	if s.use.Load() != unused {
		return false
	}
	s.out.Store(o)
	s.last = last
	if !s.use.CompareAndSwap(unused, use) {
		return false
	}
	go s.run(o)
	return true
}

// run is the goroutine that reads packets and sends them to the channel. It
// alone ends the channel. Close waits for its end, so run must not wait for the
// application once the queue is closing.
func (s *stream) run(o *outlet) {
	defer close(s.done)
	defer s.ledger.Drain()
	defer s.last()
	var batch []Packet
	var err error
	for {
		if batch, err = s.reader.next(batch); err != nil {
			break
		}
		if len(o.expired) > 0 && s.begin(o) {
			select {
			case <-o.expired:
				o.sweep()
			default: // another stream did
			}
			o.end()
		}
		for i := range batch {
			s.deliver(o, &batch[i])
		}
	}
	s.life.streamEnded()
}

// deliver sends a packet to the channel. If the channel is full, it follows
// Config.WhenFull.
func (s *stream) deliver(o *outlet, p *Packet) {
	if !s.begin(o) {
		s.overflow(p)
		return
	}
	defer o.end()
	if !s.isLive(p) {
		return
	}
	select {
	case o.to <- *p:
		o.note(s, p)
		return
	default:
	}
	if s.whenFull != 0 {
		s.overflow(p)
		return
	}
	for s.isLive(p) {
		select {
		case o.to <- *p:
			o.note(s, p)
			return
		case <-o.expired:
			o.sweep()
		case o.full <- struct{}{}:
		case <-s.life.stopped:
			return
		}
	}
}

// overflow decides a packet for which the channel has no room, by whenFull.
// Without whenFull, the queue is stopped, and Close decides the packet.
func (s *stream) overflow(p *Packet) {
	if s.whenFull != 0 {
		p.slot.Impose(p.seq, ledger.Action(s.whenFull), ledger.ByWhenFull)
	}
}

// each calls yield with every packet, on the goroutine of the caller.
func (s *stream) each(yield func(Packet) bool) {
	if !s.use.CompareAndSwap(unused, byPullNow) && !s.use.CompareAndSwap(byPull, byPullNow) {
		panic("queue: loop over All of a Queue whose packets are already received by another loop, with Packets or by a Group")
	}
	defer func() {
		s.ledger.Rest() // send the last verdicts now
		s.use.Store(byPull)
	}()
	for s.more() {
		p := &s.batch[s.at]
		s.at++
		if s.isLive(p) && !yield(*p) {
			return
		}
	}
	s.life.streamEnded()
	s.ledger.Drain()
}

// more reports whether there is a packet at s.at. It reads packets if
// necessary.
func (s *stream) more() bool {
	for s.at == len(s.batch) {
		var err error
		spent := s.batch
		s.batch, s.at = nil, 0 // keeps nothing while next waits
		if s.batch, err = s.reader.next(spent); err != nil {
			return false
		}
	}
	return !s.life.isAt(closing)
}

// empty waits for the end of run and removes the remaining packets, which can
// no longer be decided, from the channel. A loop over the channel then ends at
// once.
func (s *stream) empty() {
	switch s.use.Load() {
	case byChannel:
		<-s.done
		for range s.out.Load().to {
		}
	case byGroup:
		<-s.done // Group.Close empties the channel
	}
}
