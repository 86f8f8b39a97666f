package queue

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// A Group is several queues with consecutive numbers, to which rules spread
// packets by flow:
//
//	iptables -A INPUT -j NFQUEUE --queue-balance 0:3
//	nft add rule inet filter input queue num 0-3
//
// Its packets can be taken from one channel, Packets, or each queue's by
// itself, from the members of Queues: then no two queues share a lock, a buffer
// or a socket, and each runs on a processor of its own if there are as many.
// The kernel sends all packets between the same two addresses to the same
// queue, so each queue has them in order.
//
// If one queue fails, all are closed. A Group's methods may be called from any
// goroutine at any time.
type Group struct {
	queues  []*Queue
	start   sync.Once
	merged  chan Packet
	streams atomic.Int32 // that feed it
	refused bool         // some stream does not
}

// OpenGroup opens the n queues of nfnetlink_queue from c.Number on, each as
// Open does, with c for its configuration: limits and buffers are those of each
// queue. If one cannot be opened none stays open, and the error is that one's;
// it matches ErrInvalid if there are no such n queues, and ErrUnsupported if
// ip_queue is asked for more than its one.
func OpenGroup(ctx context.Context, c Config, n int) (*Group, error) {
	if err := c.checkGroup(n); err != nil {
		return nil, &OpError{Op: "open", Err: err}
	}
	if c.Backend == Auto {
		c.Backend = NFQueue
	}
	g := &Group{}
	for range n {
		q, err := Open(ctx, c)
		if err != nil {
			g.closeAll()
			return nil, err
		}
		g.queues = append(g.queues, q)
		c.Number++
	}
	for _, q := range g.queues {
		go g.guard(q)
	}
	return g, nil
}

func (c *Config) checkGroup(n int) error {
	switch last := int(c.Number) + n - 1; {
	case n < 1, last > 1<<16-1:
		return fmt.Errorf("%w: %d queues from number %d on", ErrInvalid, n, c.Number)
	case n > 1 && c.Backend == IPQueue:
		return fmt.Errorf("%w: ip_queue is one queue", ErrUnsupported)
	}
	return nil
}

// guard closes all when q has failed.
func (g *Group) guard(q *Queue) {
	<-q.life.done
	if q.Err() != nil {
		_ = g.Close()
	}
}

// Queues returns the queues in the order of their numbers. Take packets either
// from them or from Packets.
func (g *Group) Queues() []*Queue { return slices.Clone(g.queues) }

// Packets returns one channel with the packets of all queues, the same one at
// each call, for any number of goroutines. It is closed when every queue's
// stream has ended. The first call starts a goroutine for each queue.
//
// The channel is what the queues then share. Where that counts, take each
// queue's packets by itself.
//
// Packets panics if the packets of a queue are taken already.
func (g *Group) Packets() <-chan Packet {
	g.start.Do(g.merge)
	if g.refused {
		panic("queue: Packets is called on a Group with a Queue whose packets are taken already")
	}
	return g.merged
}

// merge makes the channel and has every queue feed it.
func (g *Group) merge() {
	capacity := 0
	for _, q := range g.queues {
		capacity += q.cfg.Buffer
	}
	g.merged = make(chan Packet, capacity)
	g.streams.Store(int32(len(g.queues)))
	for _, q := range g.queues {
		fed := false
		q.stream.start.Do(func() { fed = q.stream.feed(byGroup, g.merged, g.streamEnded) })
		if !fed {
			g.refused = true
			g.streamEnded()
		}
	}
}

// streamEnded closes the channel with the last stream.
func (g *Group) streamEnded() {
	if g.streams.Add(-1) == 0 {
		close(g.merged)
	}
}

// Err says why the streams ended: the error of the first queue that has one,
// as Queue.Err, and nil while one of them has not ended.
func (g *Group) Err() error {
	var first error
	for _, q := range g.queues {
		over, err := q.life.ended()
		if !over {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// Stats returns the sum of all queues' counters. OldestUndecided is that of the
// oldest packet of all, Kernel.Err the first that there is, and Kernel.LastID,
// which has no sum, is 0.
func (g *Group) Stats() Stats {
	var sum Stats
	for _, q := range g.queues {
		s := q.Stats()
		sum.add(&s)
	}
	return sum
}

// Close closes every queue, as Queue.Close does, and empties the channel, so
// that a loop over it ends. It returns nil.
func (g *Group) Close() error {
	g.closeAll()
	g.start.Do(g.merge) // what it starts ends at once
	for range g.merged {
	}
	return nil
}

func (g *Group) closeAll() {
	for _, q := range g.queues {
		_ = q.Close()
	}
}
