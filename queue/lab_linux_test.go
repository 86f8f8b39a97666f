package queue_test

import (
	"context"
	"encoding/binary"
	"errors"
	"iter"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
	"github.com/ipqueue/ipqueue/queue"
)

// A lab is a network namespace of its own, whose rules hand packets to queues.
type lab struct {
	testing.TB
	ns    *netns.Namespace
	table *netns.Table
	ctx   context.Context
}

// newLab returns a lab that leaves nothing behind. Call it first.
func newLab(t testing.TB) *lab {
	t.Helper()
	testutil.RequireKernel(t)
	testutil.CheckLeaks(t)
	return addLab(t, testutil.NewNamespace(t))
}

// labIn returns a lab in a namespace that other tests use as well. Its rules
// are removed at the end of the test.
func labIn(t testing.TB, ns *netns.Namespace) *lab {
	t.Helper()
	l := addLab(t, ns)
	t.Cleanup(func() {
		if err := l.table.Delete(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func addLab(t testing.TB, ns *netns.Namespace) *lab {
	t.Helper()
	table, err := ns.AddTable(netns.Inet, "lab")
	if err != nil {
		t.Fatal(err)
	}
	return &lab{TB: t, ns: ns, table: table, ctx: context.Background()}
}

// chain installs rules at a hook. It is asked after those of lower priority.
func (l *lab) chain(hook netns.Hook, priority int32, rules ...netns.Rule) *netns.Chain {
	l.Helper()
	c, err := l.table.AddChain(hook, priority, rules...)
	if err != nil {
		l.Fatal(err)
	}
	return c
}

// toQueue is a rule that hands UDP packets to a queue.
func toQueue(number uint16) netns.Rule {
	return netns.Rule{Protocol: netns.UDP, Action: netns.Enqueue, Queue: netns.Queue{First: number}}
}

// queueUDP hands the UDP packets that the namespace sends to queue 0. A packet
// is in the queue when the call that sent it returns.
func (l *lab) queueUDP() {
	l.Helper()
	l.chain(netns.Output, 0, toQueue(0))
}

// countSent returns a counter of the UDP packets that leave the namespace. On
// loopback, the packet has been counted when sending the verdict has returned.
func (l *lab) countSent() func() int {
	l.Helper()
	c := l.chain(netns.Postrouting, 0, netns.Rule{Protocol: netns.UDP})
	return func() int {
		l.Helper()
		return count(l, c, 0)
	}
}

// count returns the counter of one rule of the chain.
func count(t testing.TB, c *netns.Chain, rule int) int {
	t.Helper()
	counts, err := c.Counts()
	if err != nil {
		t.Fatal(err)
	}
	return int(counts[rule])
}

// tryOpen opens a queue in the lab's namespace.
func (l *lab) tryOpen(c queue.Config) (q *queue.Queue, err error) {
	err = l.ns.Do(func() (err error) {
		q, err = queue.Open(l.ctx, c)
		return err
	})
	return q, err
}

// open opens a queue, which closes when the test is done.
func (l *lab) open(c queue.Config) *queue.Queue {
	l.Helper()
	q, err := l.tryOpen(c)
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { q.Close() })
	return q
}

// judge lets a goroutine give each packet of the stream its verdict. The
// function returned waits for the stream's end.
func (l *lab) judge(packets iter.Seq[queue.Packet], verdict func(queue.Packet) error) (wait func()) {
	l.Helper()
	var group sync.WaitGroup
	group.Go(func() {
		for p := range packets {
			if err := verdict(p); err != nil && !errors.Is(err, queue.ErrClosed) {
				l.Errorf("packet %d: %v", p.ID, err)
			}
		}
	})
	return group.Wait
}

// streams are the two ways to take packets.
var streams = []struct {
	name string
	of   func(*queue.Queue) iter.Seq[queue.Packet]
}{
	{"Packets", channel},
	{"All", (*queue.Queue).All},
}

// channel ranges over Packets.
func channel(q *queue.Queue) iter.Seq[queue.Packet] {
	return func(yield func(queue.Packet) bool) {
		for p := range q.Packets() {
			if !yield(p) {
				return
			}
		}
	}
}

// take returns the next n packets of the channel.
func take(t testing.TB, q *queue.Queue, n int) []queue.Packet {
	t.Helper()
	timeout := time.After(patience)
	packets := make([]queue.Packet, 0, n)
	for len(packets) < n {
		select {
		case p, ok := <-q.Packets():
			if !ok {
				t.Fatalf("the stream ended after %d of %d packets: %v", len(packets), n, q.Err())
			}
			packets = append(packets, p)
		case <-timeout:
			t.Fatalf("%d of %d packets came; %+v", len(packets), n, q.Stats())
		}
	}
	return packets
}

// settled waits until the kernel holds no packets, and checks that every packet
// that it numbered is accounted for.
func settled(t testing.TB, q *queue.Queue) queue.Stats {
	t.Helper()
	var s queue.Stats
	// The kernel's row is read after the counters: a packet may come between.
	eventually(t, "nothing is pending and every id is accounted for", func() bool {
		s = q.Stats()
		if s.Kernel.Err != nil {
			t.Fatal(s.Kernel.Err)
		}
		return s.Kernel.Pending == 0 && s.Undecided == 0 && s.Received+s.Missed == uint64(s.Kernel.LastID)
	})
	balanced(t, s)
	return s
}

// balanced checks the equation of Stats, and that each packet that is no longer
// undecided has one action.
func balanced(t testing.TB, s queue.Stats) {
	t.Helper()
	ended := s.Decided + s.Expired + s.Overflowed + s.Damaged + s.Abandoned
	if sum := ended + s.Undecided + s.Gone; s.Received != sum {
		t.Errorf("%d received, but the counters sum up to %d: %+v", s.Received, sum, s)
	}
	if sum := s.Accepted + s.Dropped + s.Repeated + s.Stopped + s.Requeued; ended != sum {
		t.Errorf("%d packets ended, %d by their actions: %+v", ended, sum, s)
	}
}

// wantStats compares counters by their names.
func wantStats(t testing.TB, s queue.Stats, want queue.Stats) {
	t.Helper()
	for _, c := range []struct {
		name      string
		got, want uint64
	}{
		{"Received", s.Received, want.Received},
		{"Decided", s.Decided, want.Decided},
		{"Undecided", s.Undecided, want.Undecided},
		{"Expired", s.Expired, want.Expired},
		{"Overflowed", s.Overflowed, want.Overflowed},
		{"Damaged", s.Damaged, want.Damaged},
		{"Gone", s.Gone, want.Gone},
		{"Abandoned", s.Abandoned, want.Abandoned},
		{"Accepted", s.Accepted, want.Accepted},
		{"Dropped", s.Dropped, want.Dropped},
		{"Repeated", s.Repeated, want.Repeated},
		{"Stopped", s.Stopped, want.Stopped},
		{"Requeued", s.Requeued, want.Requeued},
		{"Replaced", s.Replaced, want.Replaced},
		{"Missed", s.Missed, want.Missed},
		{"Overruns", s.Overruns, want.Overruns},
		{"Refused", s.Refused, want.Refused},
		{"Late", s.Late, want.Late},
		{"Malformed", s.Malformed, want.Malformed},
		{"Foreign", s.Foreign, want.Foreign},
		{"BuffersLeft", s.BuffersLeft, want.BuffersLeft},
	} {
		if c.got != c.want {
			t.Errorf("%s = %d, want %d", c.name, c.got, c.want)
		}
	}
}

// A flow is UDP from a client to a server.
type flow struct {
	testing.TB
	client, server *net.UDPConn
}

var loopback4, loopback6 = netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()

// loopbacks are the addresses for tests of both families.
var loopbacks = []struct {
	name string
	addr netip.Addr
}{{"IPv4", loopback4}, {"IPv6", loopback6}}

// flow returns a flow over the lab's loopback.
func (l *lab) flow(addr netip.Addr) *flow {
	l.Helper()
	return newFlow(l, l.ns, l.ns, addr)
}

func newFlow(t testing.TB, from, to *netns.Namespace, addr netip.Addr) *flow {
	t.Helper()
	client, server := testutil.UDP(t, from, to, addr)
	if err := errors.Join(server.SetReadBuffer(4<<20), client.SetWriteBuffer(4<<20)); err != nil {
		t.Fatal(err)
	}
	return &flow{t, client, server}
}

// room returns how many small packets of the flow may be held at the same time,
// at most n. They use the buffer of the sender until they have a verdict, then
// that of the receiver, and copies of them that of the queue. For most users,
// net.core.wmem_max and rmem_max limit all of these.
func (f *flow) room(n int) int {
	f.Helper()
	const cost = 2048 // bytes of a buffer for one packet, at most
	granted := min(sockopt(f, f.client, unix.SO_SNDBUF), sockopt(f, f.server, unix.SO_RCVBUF))
	return min(n, granted/cost)
}

func sockopt(t testing.TB, conn syscall.Conn, option int) (value int) {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	cerr := raw.Control(func(fd uintptr) {
		value, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, option)
	})
	if err := errors.Join(err, cerr); err != nil {
		t.Fatal(err)
	}
	return value
}

// send sends a datagram.
func (f *flow) send(payload string) {
	f.Helper()
	if _, err := f.client.Write([]byte(payload)); err != nil {
		f.Fatal(err)
	}
}

// number sends n datagrams with the numbers from first on.
func (f *flow) number(first, n int) {
	f.Helper()
	for i := range n {
		f.send(string(binary.BigEndian.AppendUint32(nil, uint32(first+i))))
	}
}

// numberOf is the number of a datagram that number sent, from its packet.
func numberOf(p queue.Packet) int {
	header := 28
	if p.Family == queue.IPv6 {
		header = 48
	}
	return int(binary.BigEndian.Uint32(p.Payload[header:]))
}

// want wants these datagrams to arrive next.
func (f *flow) want(payloads ...string) {
	f.Helper()
	for _, want := range payloads {
		if got := string(testutil.Receive(f, f.server)); got != want {
			f.Fatalf("received %d bytes %.40q, want %d bytes %.40q", len(got), got, len(want), want)
		}
	}
}

// wantNumbers checks that exactly the datagrams with these numbers arrive, in
// any order. All datagrams that could still arrive must have been decided.
func (f *flow) wantNumbers(want map[int]bool) {
	f.Helper()
	got := make(map[int]bool)
	for range want {
		b := testutil.Receive(f, f.server)
		if len(b) != 4 {
			f.Fatalf("received %d bytes %.40q, want a number", len(b), b)
		}
		i := int(binary.BigEndian.Uint32(b))
		if !want[i] || got[i] {
			f.Fatalf("received number %d, wanted: %t, a second time: %t", i, want[i], got[i])
		}
		got[i] = true
	}
	f.wantNothing()
}

// wantNothing checks that no datagram has arrived.
func (f *flow) wantNothing() {
	f.Helper()
	if err := f.server.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		f.Fatal(err)
	}
	if n, err := f.server.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		f.Errorf("received %d more bytes, %v, want nothing", n, err)
	}
}

// numbers is the set of the numbers from first on.
func numbers(first, n int) map[int]bool {
	set := make(map[int]bool)
	for i := range n {
		set[first+i] = true
	}
	return set
}
