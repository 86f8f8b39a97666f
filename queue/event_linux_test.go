package queue_test

import (
	"errors"
	"sync"
	"syscall"
	"testing"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
	"github.com/ipqueue/ipqueue/queue"
)

// A refusals records the calls of Config.OnRefused.
type refusals struct {
	mu   sync.Mutex
	errs map[uint64]error
}

func (r *refusals) add(id uint64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.errs == nil {
		r.errs = make(map[uint64]error)
	}
	r.errs[id] = err
}

// want wants exactly these packets' verdicts to be refused with ENOENT. It
// waits for that.
func (r *refusals) want(t *testing.T, packets []queue.Packet) {
	t.Helper()
	eventually(t, "the refusals have been told", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.errs) >= len(packets)
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range packets {
		if err := r.errs[p.ID]; !errors.Is(err, syscall.ENOENT) {
			t.Errorf("packet %d: refused with %v, want ENOENT", p.ID, err)
		}
	}
	if len(r.errs) != len(packets) {
		t.Errorf("%d verdicts refused, want %d", len(r.errs), len(packets))
	}
}

// TestKernelLinkGoesDown sets a link down, so that the kernel drops its pending
// packets. Their verdicts are too late, and the stream continues.
func TestKernelLinkGoesDown(t *testing.T) {
	l := newLab(t)
	near, far := testutil.Veth(t, l.ns, testutil.NewNamespace(t), 1)
	other := l.flow(loopback4)
	f := newFlow(t, near.NS, far.NS, far.IPv4)
	l.queueUDP()
	var refused refusals
	q := l.open(queue.Config{OnRefused: refused.add})
	const n = 10
	f.number(0, n)
	other.number(n, 1)
	packets := take(t, q, n+1)
	if err := near.Link.SetDown(); err != nil {
		t.Fatal(err)
	}
	if got := q.Stats().Kernel.Pending; got != 1 {
		t.Errorf("%d packets pending, want the one of another link", got)
	}
	for _, p := range packets {
		accept(t, p)
	}
	other.wantNumbers(numbers(n, 1))
	// The refusals come before the next packet.
	other.send("the stream goes on")
	accept(t, take(t, q, 1)[0])
	other.want("the stream goes on")
	refused.want(t, packets[:n])
	wantStats(t, settled(t, q), queue.Stats{
		Received: n + 2, Decided: n + 2, Accepted: n + 2, Refused: n, Late: n,
	})
	f.wantNothing()
}

// TestKernelRulesRemoved removes a hook. The kernel drops the pending packets
// of all queues, whether or not they have been read.
func TestKernelRulesRemoved(t *testing.T) {
	for _, read := range []bool{true, false} {
		t.Run(at("read before", read), func(t *testing.T) {
			l := newLab(t)
			f := l.flow(loopback4)
			l.queueUDP()
			unrelated, err := l.ns.AddTable(netns.Inet, "unrelated")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := unrelated.AddChain(netns.Input, 0); err != nil {
				t.Fatal(err)
			}
			var refused refusals
			q := l.open(queue.Config{OnRefused: refused.add})
			const n = 100
			f.number(0, n)
			var packets []queue.Packet
			if read {
				packets = take(t, q, n)
			}
			if err := unrelated.Delete(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the packets are gone", func() bool { return q.Stats().Kernel.Pending == 0 })
			if !read {
				packets = take(t, q, n)
			}
			for _, p := range packets {
				accept(t, p)
			}
			f.send("the stream goes on")
			accept(t, take(t, q, 1)[0])
			f.want("the stream goes on")
			refused.want(t, packets)
			wantStats(t, settled(t, q), queue.Stats{
				Received: n + 1, Decided: n + 1, Accepted: n + 1, Refused: n, Late: n,
			})
			f.wantNothing()
		})
	}
}

// OnRefused may call anything of the package.
func TestKernelOnRefusedMayCall(t *testing.T) {
	l := newLab(t)
	f := l.flow(loopback4)
	l.queueUDP()
	unrelated, err := l.ns.AddTable(netns.Inet, "unrelated")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unrelated.AddChain(netns.Input, 0); err != nil {
		t.Fatal(err)
	}
	var q *queue.Queue
	var spare queue.Packet
	told := make(chan error, 1)
	q = l.open(queue.Config{OnRefused: func(id uint64, _ error) {
		_ = q.Stats()
		_ = spare.Accept()
		told <- errors.Join(q.SetMode(l.ctx, queue.Range(30)), q.Close())
	}})
	f.number(0, 2)
	packets := take(t, q, 2)
	spare = packets[1]
	if err := unrelated.Delete(); err != nil {
		t.Fatal(err)
	}
	accept(t, packets[0])
	if err := <-told; err != nil {
		t.Errorf("SetMode and Close inside OnRefused = %v", err)
	}
	for range q.Packets() {
		t.Error("a packet came after Close")
	}
}

// The kernel keeps other processes from sending to the queue's socket.
func TestKernelForeignMessages(t *testing.T) {
	l := newLab(t)
	f := l.flow(loopback4)
	l.queueUDP()
	q := l.open(queue.Config{})
	port := ownerPort(t, l.ns, 0)
	forged := []byte{32, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 11, 0, 1, 0, 0, 0, 0, 9, 8, 0, 3, 0}
	if err := sendNetlink(l.ns, port, forged); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a forged message: %v, want %v", err, syscall.ECONNREFUSED)
	}
	f.send("genuine")
	p := take(t, q, 1)[0]
	if p.ID != 1 {
		t.Errorf("packet %d came, want the kernel's first", p.ID)
	}
	accept(t, p)
	f.want("genuine")
	wantStats(t, settled(t, q), queue.Stats{Received: 1, Decided: 1, Accepted: 1})
}
