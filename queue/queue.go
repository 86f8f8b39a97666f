package queue

import (
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipqueue/ipqueue/internal/sock"
)

// A Queue is an open packet queue of the kernel. Its methods may be called
// from any goroutine at any time.
type Queue struct {
	cfg    Config
	name   string
	kernel kernel
	host   sock.Kernel
	sock   sock.Socket
	born   time.Time

	life    atomic.Int32
	stopped chan struct{} // closed when the queue begins to close
	ending  ending

	reader  reader
	writer  writer
	control control
	idle    func() bool // mayWait, bound once

	use      atomic.Int32
	start    sync.Once
	packets  chan Packet   // nil until Packets is called, a group's for all its queues
	ended    func()        // what the goroutine that feeds it does last with it
	streamed chan struct{} // closed at the end of that goroutine
	pull     pull
	refusals refusals
	links    links
	status   statusReader

	readBuffer int
	lastStatus KernelStats
}

// How a queue's packets are taken; the first use decides.
const (
	unused int32 = iota
	byChannel
	byGroup // by the channel of a Group
	byPull
	byPullNow // a loop over All is running
)

// Packets returns the channel on which the packets arrive, the same one at
// each call. Any number of goroutines may receive from it. It is closed when
// the stream ends; Err then says why.
//
// The first call starts the one goroutine that reads the kernel's queue. While
// the channel is full it waits, unless Config.WhenFull says otherwise. Every
// packet wants a verdict: see Packet.
//
// Packets panics if All is in use.
func (q *Queue) Packets() <-chan Packet {
	q.start.Do(func() {
		to := make(chan Packet, q.cfg.Buffer)
		q.feed(byChannel, to, func() { close(to) })
	})
	if q.use.Load() != byChannel {
		panic("queue: Packets is called on a Queue whose packets are taken already, with All or by a Group")
	}
	return q.packets
}

// feed starts the goroutine that sends the packets to a channel and calls ended
// after the last one. It returns false if they are taken already. It is called
// by start alone.
func (q *Queue) feed(use int32, to chan Packet, ended func()) bool {
	if q.use.Load() != unused {
		return false
	}
	q.packets, q.ended = to, ended
	if !q.use.CompareAndSwap(unused, use) {
		return false
	}
	go q.stream()
	return true
}

// stream is the reader goroutine: it alone ends the channel. Close waits for
// its end, so it never waits for the application once the queue is closing.
func (q *Queue) stream() {
	defer close(q.streamed)
	defer q.streamEnded()
	defer q.ended()
	var batch []Packet
	var err error
	for {
		if batch, err = q.next(batch); err != nil {
			break
		}
		for i := range batch {
			q.deliver(&batch[i])
		}
	}
	q.ending.reached()
}

// deliver sends a packet to the application, or does what is to be done when
// the channel is full.
func (q *Queue) deliver(p *Packet) {
	select {
	case q.packets <- *p:
		return
	default:
	}
	if q.cfg.WhenFull != 0 {
		q.writer.decide(p.slot, q.cfg.WhenFull, byWhenFull)
		return
	}
	select {
	case q.packets <- *p:
	case <-q.stopped:
	}
}

// A pull is where a loop over All stands.
type pull struct {
	batch []Packet
	at    int
}

// All returns the same stream as Packets for a loop on the caller's own
// goroutine, which reads the kernel's queue itself: there is no other
// goroutine and no channel between. The loop ends when the stream does; Err
// then says why. A break leaves the queue open, and a later loop goes on where
// this one stopped; between loops nothing is read.
//
// One loop may run at a time. A second one, or a call after Packets, panics.
func (q *Queue) All() iter.Seq[Packet] {
	return func(yield func(Packet) bool) {
		if !q.use.CompareAndSwap(unused, byPullNow) && !q.use.CompareAndSwap(byPull, byPullNow) {
			panic("queue: All is ranged over on a Queue whose packets are taken already, by another loop or with Packets")
		}
		defer q.leave()
		for q.pullMore() {
			q.pull.at++
			if !yield(q.pull.batch[q.pull.at-1]) {
				return
			}
		}
		q.ending.reached()
		q.streamEnded()
	}
}

// leave ends a loop over All. Its last verdicts wait for no more company.
func (q *Queue) leave() {
	q.writer.rest()
	q.use.Store(byPull)
}

// pullMore reports whether there is a packet at q.pull.at, reading if it must.
func (q *Queue) pullMore() bool {
	for q.pull.at == len(q.pull.batch) {
		var err error
		q.pull.at = 0
		if q.pull.batch, err = q.next(q.pull.batch); err != nil {
			return false
		}
	}
	return q.life.Load() < closing
}
