package queue

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// A Group is a set of queues that end together. OpenGroup creates it; the zero
// Group is not usable. The numbers of the queues may be any. A rule can spread
// packets over queues with consecutive numbers; Config.Balance returns the
// configurations for these:
//
//	iptables -A INPUT -j NFQUEUE --queue-balance 0:3
//	nft add rule inet filter input queue num 0-3
//
// Such a rule sends all packets between the same two addresses to the same
// queue, which keeps them in order.
//
// There are two ways to receive the packets of a Group: all from one channel,
// Packets, or those of each queue separately, from the members of Queues. In
// the second way, the queues share no lock, buffer or socket, so that they can
// use several processors.
//
// If one queue fails, all are closed. The end of the context is not a failure:
// each queue then closes when its packets are decided or its Config.Grace is
// over. The methods of a Group may be called from any goroutine at any time.
type Group struct {
	queues  []*Queue
	start   sync.Once
	merged  chan Packet
	streams atomic.Int32 // number of streams that feed merged
	refused bool         // a stream does not, because its packets are received in another way
}

// OpenGroup opens a queue for each Config, as Open does. Limits and buffers are
// those of each queue. If one cannot be opened, OpenGroup closes the others and
// returns the error of that one. The error matches ErrInvalid if there is no
// Config, or if two of them are for the same queue.
func OpenGroup(ctx context.Context, configs ...Config) (*Group, error) {
	if err := checkGroup(configs); err != nil {
		return nil, &OpError{Op: "open", Err: err}
	}
	g := &Group{}
	for _, c := range configs {
		q, err := Open(ctx, c)
		if err != nil {
			g.closeAll()
			return nil, err
		}
		g.queues = append(g.queues, q)
	}
	for _, q := range g.queues {
		go g.guard(q)
	}
	return g, nil
}

func checkGroup(configs []Config) error {
	type identity struct {
		backend       Backend
		family        Family
		number, netns int
	}
	if len(configs) == 0 {
		return fmt.Errorf("%w: the group has no queues (Config.Balance returns none if a number would exceed 65535)", ErrInvalid)
	}
	known := make(map[identity]int)
	for i, c := range configs {
		id := identity{c.Backend, c.Family, int(c.Number), c.NetNS}
		if first, ok := known[id]; ok {
			return fmt.Errorf("%w: Configs %d and %d of the group are for the same queue", ErrInvalid, first, i)
		}
		known[id] = i
	}
	return nil
}

// guard closes all queues when q has failed.
func (g *Group) guard(q *Queue) {
	<-q.life.done
	if q.life.hasFailed() {
		_ = g.Close()
	}
}

// Queues returns the queues in the order of their Configs. The caller may
// change the slice. Receive packets either from the queues or from Packets.
func (g *Group) Queues() []*Queue { return slices.Clone(g.queues) }

// Packets returns one channel that delivers the packets of all queues. It
// returns the same channel at each call, and any number of goroutines may
// receive from it. Packet.Queue returns the queue of a packet. The channel is
// closed when the streams of all queues have ended. The first call starts a
// goroutine for each queue.
//
// The capacity of the channel is the sum of the capacities that Config.Buffer
// gives the queues. The queues share it: if packets of one queue fill the
// channel, the goroutines of the other queues wait too, or follow their
// Config.WhenFull. To avoid that, receive the packets of each queue separately.
//
// Packets panics if the packets of a queue are already taken with Packets or
// All of that Queue.
func (g *Group) Packets() <-chan Packet {
	g.start.Do(g.merge)
	if g.refused {
		panic("queue: Packets called on a Group with a Queue whose packets are already received in another way")
	}
	return g.merged
}

// merge creates the channel and makes every queue feed it.
func (g *Group) merge() {
	capacity, expire := 0, false
	for _, q := range g.queues {
		capacity += q.cfg.Buffer
		expire = expire || q.cfg.Deadline > 0
	}
	o := newOutlet(capacity, expire, true)
	g.merged = o.to
	g.streams.Store(int32(len(g.queues)))
	for _, q := range g.queues {
		fed := false
		q.stream.start.Do(func() { fed = q.stream.feed(byGroup, o, g.streamEnded) })
		if !fed {
			g.refused = true
			g.streamEnded()
		}
	}
}

// streamEnded closes the channel when the last stream has ended.
func (g *Group) streamEnded() {
	if g.streams.Add(-1) == 0 {
		close(g.merged)
	}
}

// Err returns why the streams of packets ended: the error of the first queue
// that failed, otherwise the first error of any Queue.Err. It returns nil until
// all streams have ended.
func (g *Group) Err() error {
	var first, failure error
	for _, q := range g.queues {
		over, err := q.life.ended()
		if !over {
			return nil
		}
		first = cmp.Or(first, err)
		if q.life.hasFailed() {
			failure = cmp.Or(failure, err)
		}
	}
	return cmp.Or(failure, first)
}

// Stats returns the sums of the counters of all queues. OldestUndecided is the
// age of the oldest packet in any queue, Kernel.Err is the first error of any
// queue, and Kernel.LastID is 0. Queue.Stats returns the counters of one queue.
func (g *Group) Stats() Stats {
	var sum Stats
	for _, q := range g.queues {
		s := q.Stats()
		sum.add(&s)
	}
	return sum
}

// Close closes every queue, as Queue.Close does, and empties the channel, so
// that a loop over it ends. It always returns nil.
func (g *Group) Close() error {
	g.closeAll()
	g.start.Do(g.merge) // if it starts goroutines, they end at once
	for range g.merged {
	}
	return nil
}

func (g *Group) closeAll() {
	for _, q := range g.queues {
		_ = q.Close()
	}
}
