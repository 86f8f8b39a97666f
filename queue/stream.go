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
	to    chan Packet   // nil until a channel is asked for; a group's is for all its queues
	last  func()        // what the goroutine that feeds the channel does last with it
	done  chan struct{} // closed at the end of that goroutine

	batch []Packet // of a loop over All
	at    int
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
func (s *stream) hasBacklog() bool { return len(s.to) > 0 }

// channel returns the queue's own channel.
func (s *stream) channel(capacity int) <-chan Packet {
	s.start.Do(func() {
		to := make(chan Packet, capacity)
		s.feed(byChannel, to, func() { close(to) })
	})
	if s.use.Load() != byChannel {
		panic("queue: Packets is called on a Queue whose packets are taken already, with All or by a Group")
	}
	return s.to
}

// feed starts the goroutine that sends the packets to a channel and calls last
// after the last one. It returns false if they are taken already. It is called
// by start alone.
func (s *stream) feed(use int32, to chan Packet, last func()) bool {
	if s.use.Load() != unused {
		return false
	}
	s.to, s.last = to, last
	if !s.use.CompareAndSwap(unused, use) {
		return false
	}
	go s.run()
	return true
}

// run is the reader goroutine: it alone ends the channel. Close waits for its
// end, so it never waits for the application once the queue is closing.
func (s *stream) run() {
	defer close(s.done)
	defer s.ledger.Drain()
	defer s.last()
	var batch []Packet
	var err error
	for {
		if batch, err = s.reader.next(batch); err != nil {
			break
		}
		for i := range batch {
			s.deliver(&batch[i])
		}
	}
	s.life.streamEnded()
}

// deliver sends a packet to the application, or does what is to be done when
// the channel is full.
func (s *stream) deliver(p *Packet) {
	select {
	case s.to <- *p:
		return
	default:
	}
	if s.whenFull != 0 {
		p.slot.Impose(p.seq, ledger.Action(s.whenFull), ledger.ByWhenFull)
		return
	}
	select {
	case s.to <- *p:
	case <-s.life.stopped:
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
		s.at++
		if !yield(s.batch[s.at-1]) {
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
		if s.batch, err = s.reader.next(s.batch); err != nil {
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
		for range s.to {
		}
	case byGroup:
		<-s.done // the group empties its channel
	}
}
