package queue

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// A Group is several queues with one life. Their numbers may be any; rules
// spread packets by flow over consecutive ones, for which Config.Balance makes
// the configurations:
//
//	iptables -A INPUT -j NFQUEUE --queue-balance 0:3
//	nft add rule inet filter input queue num 0-3
//
// The packets of a Group can be taken from one channel, Packets, or each queue's
// by itself, from the members of Queues: then no two queues share a lock, a
// buffer or a socket, and each runs on a processor of its own if there are as
// many. The kernel sends all packets between the same two addresses to the same
// queue, so each queue has them in order.
//
// If one queue fails, all are closed. The end of the context is not a failure:
// each queue then ends by itself, when its packets are decided or its
// Config.Grace has passed. A Group's methods may be called from any goroutine at
// any time.
type Group struct {
	queues  []*Queue
	start   sync.Once
	merged  chan Packet
	streams atomic.Int32 // that feed it
	refused bool         // some stream does not
}

// OpenGroup opens a queue for each Config, as Open does: limits and buffers are
// those of each queue. If one cannot be opened none stays open, and the error is
// that one's. It matches ErrInvalid if there is no Config, or if two of them are
// for the same queue.
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
		return fmt.Errorf("%w: a group of no queues (Config.Balance returns none if their numbers would not be from 0 to 65535)", ErrInvalid)
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

// guard closes all when q has failed.
func (g *Group) guard(q *Queue) {
	<-q.life.done
	if q.life.hasFailed() {
		_ = g.Close()
	}
}

// Queues returns the queues in the order of their Configs. Take packets either
// from them or from Packets.
func (g *Group) Queues() []*Queue { return slices.Clone(g.queues) }

// Packets returns one channel with the packets of all queues, the same one at
// each call, for any number of goroutines; Packet.Queue returns the queue of a
// packet. The channel is closed when every queue's stream has ended. The first
// call starts a goroutine for each queue.
//
// The channel has room for the sum of what Config.Buffer says for each queue. It
// is the one thing that the queues then share: a queue may fill the room of all,
// and the others' readers then wait, or follow their Config.WhenFull. Where that
// matters, take each queue's packets by itself.
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
	capacity, expire := 0, false
	for _, q := range g.queues {
		capacity += q.cfg.Buffer
		expire = expire || q.cfg.Deadline > 0
	}
	o := newOutlet(capacity, expire)
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

// streamEnded closes the channel with the last stream.
func (g *Group) streamEnded() {
	if g.streams.Add(-1) == 0 {
		close(g.merged)
	}
}

// Err returns why the streams ended: the error of the first queue that failed,
// else of the first that has one, as Queue.Err. It returns nil while one of the
// streams has not ended.
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

// Stats returns the sum of all queues' counters; each queue's own are those of the
// members of Queues. OldestUndecided is the age of the oldest packet of all,
// Kernel.Err the first that there is, and Kernel.LastID, which has no sum, is 0.
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
