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

	expired atomic.Bool // the deadline has decided a packet
	suspect int         // number of batches that may contain expired packets
}

// An outlet is a channel that the streams of one or several queues feed.
type outlet struct {
	to      chan Packet
	expired chan struct{} // receives a value when a packet expires, which may be in the channel
	turn    chan struct{} // holds one value while a stream sends; nil if streams need not take turns
	full    chan struct{} // delivers values while the stream that has the turn waits for the application
	kept    []Packet      // scratch memory of sweep
}

// newOutlet returns an outlet. takeTurns must be set if several streams feed it
// and packets may expire.
func newOutlet(capacity int, takeTurns bool) *outlet {
	o := &outlet{to: make(chan Packet, capacity), expired: make(chan struct{}, 1)}
	if takeTurns {
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

// sweep removes expired packets from the channel and keeps the order of the
// others. The caller has called begin.
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
		o.to <- p // does not block: no other stream sends
	}
	clear(o.kept)
	o.kept = o.kept[:0]
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
// still be in the channel or in a batch.
func (s *stream) packetExpired() {
	s.expired.Store(true)
	if o := s.out.Load(); o != nil {
		select {
		case o.expired <- struct{}{}:
			s.reader.wake()
		default: // the sweep for an earlier packet is still due, and is for both
		}
	}
}

// isLive reports whether the packet has not expired. A packet that expires may
// be in the present batch, or among those that the reader has ready, which are
// the next batch. So isLive checks only the packets of these two batches,
// because the check takes the ledger's mutex.
func (s *stream) isLive(p *Packet) bool {
	if s.expired.Load() {
		s.expired.Store(false)
		s.suspect = 2
	}
	return s.suspect == 0 || p.slot.Open(p.seq)
}

// next returns the next batch of packets: see reader.next.
func (s *stream) next(spent []Packet) ([]Packet, error) {
	batch, err := s.reader.next(spent)
	if s.suspect > 0 && len(batch) > 0 {
		s.suspect--
	}
	return batch, err
}

// channel returns the channel of the queue itself. The first call creates it.
func (s *stream) channel(capacity int) <-chan Packet {
	s.start.Do(func() {
		o := newOutlet(capacity, false)
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
		if s.batch, err = s.next(spent); err != nil {
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
