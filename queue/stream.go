package queue

import (
	"sync"
	"sync/atomic"

	"github.com/ipqueue/ipqueue/internal/ledger"
)

// A stream hands the reader's packets to the application, in one of three
// ways. The first use decides which.
type stream struct {
	reader   *reader
	life     *life
	ledger   *ledger.Ledger
	whenFull Action

	use   atomic.Int32
	start sync.Once
	out   atomic.Pointer[outlet] // nil until a channel is asked for
	last  func()                 // what the goroutine that feeds the channel does last with it
	done  chan struct{}          // closed at the end of that goroutine

	batch []Packet // of a loop over All
	at    int

	expired atomic.Bool // the deadline has decided a packet
	suspect int         // so many batches may have packets that have expired
}

// An outlet is the channel that the streams of one or several queues feed.
type outlet struct {
	to      chan Packet
	expired chan struct{} // receives when a packet has expired, which may be in the channel
	turn    chan struct{} // nil, or holds one value while a stream sends
	full    chan struct{} // delivers while the stream whose turn it is waits for room
	kept    []Packet      // memory of sweep
}

// newOutlet returns an outlet. Where several streams feed it they take turns if
// packets may expire.
func newOutlet(capacity int, takeTurns bool) *outlet {
	o := &outlet{to: make(chan Packet, capacity), expired: make(chan struct{}, 1)}
	if takeTurns {
		o.turn, o.full = make(chan struct{}, 1), make(chan struct{})
	}
	return o
}

// begin waits for the stream's turn to send. It returns false if the queue is
// stopped before, or if another stream waits for room, and this one, with
// whenFull, must not.
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

func (o *outlet) end() {
	if o.turn != nil {
		<-o.turn
	}
}

// sweep takes the packets that have expired out of the channel. It is the
// caller's turn to send, so that the others keep their order.
func (o *outlet) sweep() {
	for n := len(o.to); n > 0; n-- {
		select {
		case p := <-o.to:
			if p.slot.Open(p.seq) {
				o.kept = append(o.kept, p)
			}
		default: // the application took it
		}
	}
	for _, p := range o.kept {
		o.to <- p // has room: nobody else sends
	}
	clear(o.kept)
	o.kept = o.kept[:0]
}

// How a queue's packets are taken.
const (
	unused int32 = iota
	byChannel
	byGroup // by the channel of a Group
	byPull
	byPullNow // a loop over All is running
)

func (s *stream) init() { s.done = make(chan struct{}) }

// hasBacklog reports whether packets in the channel wait for the application.
func (s *stream) hasBacklog() bool {
	o := s.out.Load()
	return o != nil && len(o.to) > 0
}

// packetExpired is told that the deadline has decided a packet, which may be on
// its way to the application.
func (s *stream) packetExpired() {
	s.expired.Store(true)
	if o := s.out.Load(); o != nil {
		select {
		case o.expired <- struct{}{}:
			s.reader.wake()
		default: // whoever has the last call to answer will sweep for both
		}
	}
}

// isLive reports whether the next packet has not expired. The packets of the
// batch at hand may have, and those that the reader has ready, when some has.
func (s *stream) isLive(p *Packet) bool {
	if s.expired.Load() {
		s.expired.Store(false)
		s.suspect = 2
	}
	return s.suspect == 0 || p.slot.Open(p.seq)
}

// next is reader.next.
func (s *stream) next(spent []Packet) ([]Packet, error) {
	batch, err := s.reader.next(spent)
	if s.suspect > 0 && len(batch) > 0 {
		s.suspect--
	}
	return batch, err
}

// channel returns the queue's own channel.
func (s *stream) channel(capacity int) <-chan Packet {
	s.start.Do(func() {
		o := newOutlet(capacity, false)
		s.feed(byChannel, o, func() { close(o.to) })
	})
	if s.use.Load() != byChannel {
		panic("queue: Packets is called on a Queue whose packets are taken already, with All or by a Group")
	}
	return s.out.Load().to
}

// feed starts the goroutine that sends the packets to a channel and calls last
// after the last one. It returns false if they are taken already. It is called
// by start alone.
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

// run is the reader goroutine: it alone ends the channel. Close waits for its
// end, so it never waits for the application once the queue is closing.
func (s *stream) run(o *outlet) {
	defer close(s.done)
	defer s.ledger.Drain()
	defer s.last()
	var batch []Packet
	var err error
	for {
		if batch, err = s.next(batch); err != nil {
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

// deliver sends a packet to the application, or does what is to be done when
// the channel is full.
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
			return
		case <-o.expired:
			o.sweep()
		case o.full <- struct{}{}:
		case <-s.life.stopped:
			return
		}
	}
}

// overflow decides a packet for which the channel has no room, with whenFull.
// Without, the queue is stopped, and the packet is settled with the others.
func (s *stream) overflow(p *Packet) {
	if s.whenFull != 0 {
		p.slot.Impose(p.seq, ledger.Action(s.whenFull), ledger.ByWhenFull)
	}
}

// each calls yield with every packet, on the caller's goroutine.
func (s *stream) each(yield func(Packet) bool) {
	if !s.use.CompareAndSwap(unused, byPullNow) && !s.use.CompareAndSwap(byPull, byPullNow) {
		panic("queue: All is ranged over on a Queue whose packets are taken already, by another loop or with Packets")
	}
	defer func() {
		s.ledger.Rest() // the last verdicts wait for no others
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

// more reports whether there is a packet at s.at, reading if it must.
func (s *stream) more() bool {
	for s.at == len(s.batch) {
		var err error
		s.at = 0
		if s.batch, err = s.next(s.batch); err != nil {
			return false
		}
	}
	return !s.life.isAt(closing)
}

// empty waits for the end of the reader's goroutine, and takes the packets that
// can no longer be decided out of the channel, so that a loop over it ends at
// once.
func (s *stream) empty() {
	switch s.use.Load() {
	case byChannel:
		<-s.done
		for range s.out.Load().to {
		}
	case byGroup:
		<-s.done // the group empties its channel
	}
}
