package main

import (
	"hash/maphash"
	"sync"

	"github.com/ipqueue/ipqueue/queue"
)

// backlog is the number of packets that may wait for a worker.
const backlog = 128

// A pool is a set of goroutines. Each handles the packets of its own conversations.
type pool struct {
	decide  func(queue.Packet) error
	seed    maphash.Seed
	workers []*worker
}

// newPool returns a pool whose workers give their packets the verdict decide.
func newPool(workers int, decide func(queue.Packet) error) *pool {
	p := &pool{decide: decide, seed: maphash.MakeSeed()}
	for range workers {
		p.workers = append(p.workers, newWorker())
	}
	return p
}

// run passes each packet to its worker, and waits if that worker is too busy. It
// returns when the channel is closed and every packet is decided.
func (p *pool) run(packets <-chan queue.Packet) {
	var running sync.WaitGroup
	for _, w := range p.workers {
		running.Go(func() { w.run(p.decide) })
	}
	for packet := range packets {
		c := conversation(packet.Flow())
		p.workerFor(c).packets <- job{packet, c}
	}
	for _, w := range p.workers {
		close(w.packets)
	}
	running.Wait()
}

// conversation returns the same value for both directions of a flow.
func conversation(f queue.Flow) queue.Flow {
	if f.Source.Compare(f.Destination) > 0 {
		return f.Reverse()
	}
	return f
}

// workerFor returns the same worker for the same conversation.
func (p *pool) workerFor(c queue.Flow) *worker {
	return p.workers[maphash.Comparable(p.seed, c)%uint64(len(p.workers))]
}
