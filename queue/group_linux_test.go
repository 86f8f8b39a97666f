package queue_test

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/queue"
)

// openGroup opens a group in the lab's namespace, which closes when the test is
// done.
func (l *lab) openGroup(c queue.Config, n int) *queue.Group {
	l.Helper()
	var g *queue.Group
	err := l.ns.Do(func() (err error) {
		g, err = queue.OpenGroup(l.ctx, c.Balance(n)...)
		return err
	})
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { g.Close() })
	return g
}

// balance spreads UDP packets over the n queues from first on, by their
// addresses, and returns flows that differ in those.
func (l *lab) balance(first uint16, n, flows int) (list []*flow) {
	l.Helper()
	rule := toQueue(first)
	rule.Queue.Last = first + uint16(n) - 1
	l.chain(netns.Output, 0, rule)
	for i := range flows {
		list = append(list, l.flow(netip.AddrFrom4([4]byte{127, 0, byte(i), 1})))
	}
	return list
}

func TestKernelGroup(t *testing.T) {
	const queues, flows, each = 3, 16, 20
	l := newLab(t)
	list := l.balance(5, queues, flows)
	g := l.openGroup(queue.Config{Number: 5}, queues)
	for i := range each {
		for _, f := range list {
			f.number(i, 1)
		}
	}
	next := map[queue.Flow]int{}
	for range flows * each {
		p := <-g.Packets()
		f := p.Flow()
		if got := numberOf(p); got != next[f] {
			t.Errorf("%v: packet %d came, want %d", f, got, next[f])
		}
		next[f]++
		accept(t, p)
	}
	if len(next) != flows {
		t.Errorf("packets of %d flows came, want %d", len(next), flows)
	}
	for _, f := range list {
		f.wantNumbers(numbers(0, each))
	}
	g.Close()
	shared := 0
	for i, q := range g.Queues() {
		s := q.Stats()
		if s.Received > 0 {
			shared++
		}
		if s.Kernel.LastID != uint32(s.Received) {
			t.Errorf("queue %d: %d packets received, the kernel's last id is %d", i, s.Received, s.Kernel.LastID)
		}
	}
	if shared < 2 {
		t.Errorf("%d of %d queues had packets", shared, queues)
	}
	if s := g.Stats(); s.Accepted != flows*each {
		t.Errorf("%d packets accepted, want %d", s.Accepted, flows*each)
	}
}

// Each queue is served by a goroutine of its own.
func TestKernelGroupAll(t *testing.T) {
	const queues, flows, each = 3, 16, 20
	l := newLab(t)
	list := l.balance(0, queues, flows)
	g := l.openGroup(queue.Config{}, queues)
	var decided atomic.Int32
	var servers sync.WaitGroup
	for _, q := range g.Queues() {
		servers.Go(func() {
			for p := range q.All() {
				accept(t, p)
				decided.Add(1)
			}
		})
	}
	for i := range each {
		for _, f := range list {
			f.number(i, 1)
		}
	}
	for _, f := range list {
		f.wantNumbers(numbers(0, each))
	}
	g.Close()
	servers.Wait()
	if got := decided.Load(); got != flows*each {
		t.Errorf("%d packets were decided, want %d", got, flows*each)
	}
}
