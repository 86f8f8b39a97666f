package queue_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
	"github.com/ipqueue/ipqueue/internal/testutil/replace"
	"github.com/ipqueue/ipqueue/queue"
)

func TestKernelAccept(t *testing.T) {
	for _, stream := range streams {
		for _, lo := range loopbacks {
			t.Run(stream.name+" "+lo.name, func(t *testing.T) {
				l := newLab(t)
				f := l.flow(lo.addr)
				sent := l.countSent()
				l.queueUDP()
				q := l.open(queue.Config{})
				wait := l.judge(stream.of(q), queue.Packet.Accept)
				const n = 300
				f.number(0, n)
				f.wantNumbers(numbers(0, n))
				s := settled(t, q)
				wantStats(t, s, queue.Stats{Received: n, Decided: n, Accepted: n})
				if got := sent(); got != n {
					t.Errorf("%d packets were sent, want %d", got, n)
				}
				q.Close()
				wait()
				if err := q.Err(); err != nil {
					t.Errorf("Err() = %v, want nil", err)
				}
			})
		}
	}
}

func TestKernelDrop(t *testing.T) {
	for _, stream := range streams {
		for _, lo := range loopbacks {
			t.Run(stream.name+" "+lo.name, func(t *testing.T) {
				l := newLab(t)
				f := l.flow(lo.addr)
				sent := l.countSent()
				l.queueUDP()
				q := l.open(queue.Config{})
				l.judge(stream.of(q), func(p queue.Packet) error {
					if numberOf(p)%3 == 0 {
						return p.Accept()
					}
					return p.Drop()
				})
				const n = 300
				f.number(0, n)
				want := make(map[int]bool)
				for i := 0; i < n; i += 3 {
					want[i] = true
				}
				s := settled(t, q)
				f.wantNumbers(want)
				wantStats(t, s, queue.Stats{Received: n, Decided: n, Accepted: n / 3, Dropped: n - n/3})
				if got := sent(); got != n/3 {
					t.Errorf("%d packets were sent, want %d", got, n/3)
				}
			})
		}
	}
}

// A path is where packets go.
type path struct {
	name     string
	from, to *netns.Namespace
	addr     netip.Addr
	hook     netns.Hook
	rules    *netns.Namespace // where the hook is
}

// paths are loopback and both ends of a veth pair, over IPv4 and IPv6.
func paths(t *testing.T) []path {
	t.Helper()
	lo, near, far := testutil.NewNamespace(t), testutil.NewNamespace(t), testutil.NewNamespace(t)
	_, host := testutil.Veth(t, near, far, 1)
	var list []path
	for i, family := range []string{"IPv4", "IPv6"} {
		list = append(list,
			path{"loopback " + family, lo, lo, loopbacks[i].addr, netns.Output, lo},
			path{"veth output " + family, near, far, host.Addrs()[i], netns.Output, near},
			path{"veth prerouting " + family, near, far, host.Addrs()[i], netns.Prerouting, far},
			path{"veth input " + family, near, far, host.Addrs()[i], netns.Input, far})
	}
	return list
}

// The packets of ordinary protocols take the way through the queue unharmed.
func TestKernelProtocols(t *testing.T) {
	testutil.RequireKernel(t)
	testutil.CheckLeaks(t)
	for _, p := range paths(t) {
		t.Run(p.name, func(t *testing.T) {
			l := labIn(t, p.rules)
			l.chain(p.hook, 0, netns.Rule{Action: netns.Enqueue})
			q := l.open(queue.Config{})
			l.judge(channel(q), queue.Packet.Accept)
			f := newFlow(t, p.from, p.to, p.addr)
			for _, size := range []int{0, 1, 3, 1400, 9000} {
				testutil.EchoUDP(t, f.client, f.server, slices.Repeat([]byte{7}, size))
			}
			client, server := testutil.TCP(t, p.from, p.to, p.addr)
			testutil.EchoTCP(t, client, server, slices.Repeat([]byte("tcp!"), 64<<10))
			for _, size := range []int{0, 1, 56, 1400} {
				if err := testutil.Ping(p.from, p.addr, slices.Repeat([]byte{9}, size), patience); err != nil {
					t.Errorf("ping with %d bytes: %v", size, err)
				}
			}
			if s := settled(t, q); s.Received < 10 || s.Refused > 0 {
				t.Errorf("%d packets received, %d verdicts refused; %+v", s.Received, s.Refused, s)
			}
		})
	}
}

// Any goroutine may decide, in any order.
func TestKernelVerdictsOutOfOrder(t *testing.T) {
	l := newLab(t)
	f := l.flow(loopback4)
	l.queueUDP()
	q := l.open(queue.Config{})
	n := f.room(1000) / 8 * 8
	f.number(0, n)
	packets := take(t, q, n)
	rand.Shuffle(n, func(i, j int) { packets[i], packets[j] = packets[j], packets[i] })
	want := make(map[int]bool)
	for _, p := range packets {
		if i := numberOf(p); i%2 == 0 {
			want[i] = true
		}
	}
	var group sync.WaitGroup
	for share := range slices.Chunk(packets, n/8) {
		group.Go(func() {
			for _, p := range share {
				verdict := queue.Packet.Drop
				if numberOf(p)%2 == 0 {
					verdict = queue.Packet.Accept
				}
				if err := verdict(p); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	s := settled(t, q)
	f.wantNumbers(want)
	all := uint64(n)
	wantStats(t, s, queue.Stats{Received: all, Decided: all, Accepted: all / 2, Dropped: all / 2})
}

// Verdicts given together in the order of arrival must leave alone the packets
// among them that are not decided yet.
func TestKernelHeldPacketsStay(t *testing.T) {
	for _, stream := range streams {
		for _, every := range []int{1000, 100, 7, 2} { // held is one packet of so many
			t.Run(fmt.Sprint(stream.name, " one of ", every), func(t *testing.T) {
				l := newLab(t)
				f := l.flow(loopback4)
				l.queueUDP()
				q := l.open(queue.Config{})
				n := f.room(1000)
				f.number(0, n)
				var held []queue.Packet
				want := make(map[int]bool)
				for p := range stream.of(q) {
					if number := numberOf(p); number%every == 0 {
						held = append(held, p)
					} else {
						want[number] = true
						accept(t, p)
					}
					if p.ID == uint64(n) {
						break
					}
				}
				eventually(t, "all other verdicts have been sent", func() bool {
					return q.Stats().Undecided == uint64(len(held))
				})
				if got := int(q.Stats().Kernel.Pending); got != len(held) {
					t.Errorf("%d packets pending, want the %d held", got, len(held))
				}
				for _, p := range held {
					if err := p.Drop(); err != nil {
						t.Error(err)
					}
				}
				s := settled(t, q)
				f.wantNumbers(want)
				wantStats(t, s, queue.Stats{
					Received: uint64(n), Decided: uint64(n), Accepted: uint64(len(want)), Dropped: uint64(len(held)),
				})
			})
		}
	}
}

// All kinds of verdicts, from several goroutines, in an order between that of
// arrival and none.
func TestKernelMixedVerdicts(t *testing.T) {
	const window, mark = 20, 5
	replaces := replace.Try(t) == nil
	l := newLab(t)
	f := l.flow(loopback4)
	n := f.room(3000)
	l.queueUDP()
	q, other := l.open(queue.Config{}), l.open(queue.Config{Number: 1})
	l.judge(other.All(), queue.Packet.Accept)
	verdicts := []queue.Verdict{
		{Action: queue.Accept}, {Action: queue.Accept}, {Action: queue.Accept}, {Action: queue.Drop},
		{Action: queue.Drop}, {Action: queue.Accept, Mark: mark}, {Action: queue.Repeat, Mark: mark},
		{Action: queue.Requeue, Number: 1}, {Action: queue.Stop}, {Action: queue.Accept, Raw: true},
	}
	decide := func(p queue.Packet) error {
		v := verdicts[numberOf(p)*7/10%len(verdicts)]
		switch {
		case v.Action == queue.Repeat && p.Mark == mark:
			return p.Accept()
		case v.Raw && replaces:
			return p.Replace(p.Payload)
		}
		return p.Decide(v)
	}
	f.number(0, n)
	packets := take(t, q, n)
	want, repeats := make(map[int]bool), 0
	for i := range packets {
		j := min(i+rand.IntN(window), n-1)
		packets[i], packets[j] = packets[j], packets[i]
		switch verdicts[i*7/10%len(verdicts)].Action {
		case queue.Drop:
		case queue.Repeat:
			repeats++
			want[i] = true
		default:
			want[i] = true
		}
	}
	var group sync.WaitGroup
	for first := range 4 {
		group.Go(func() {
			for i := first; i < n; i += 4 {
				if err := decide(packets[i]); err != nil {
					t.Errorf("packet %d: %v", packets[i].ID, err)
				}
			}
		})
	}
	for _, p := range take(t, q, repeats) {
		if err := decide(p); err != nil {
			t.Error(err)
		}
	}
	group.Wait()
	s := settled(t, q)
	s2 := settled(t, other)
	f.wantNumbers(want)
	if all := uint64(n + repeats); s.Received != all || s.Decided != all || s.Requeued != s2.Received || s.Repeated != uint64(repeats) {
		t.Errorf("%+v and %+v, want %d and %d repeated", s, s2, all, repeats)
	}
	if s.Refused+s2.Refused > 0 || s.Replaced == 0 && replaces || s.Stopped == 0 || s.Requeued == 0 {
		t.Errorf("%+v and %+v, want some of each kind and none refused", s, s2)
	}
}

// A second verdict would come back from the kernel as ENOENT.
func TestKernelOneVerdict(t *testing.T) {
	l := newLab(t)
	f := l.flow(loopback4)
	sent := l.countSent()
	l.queueUDP()
	q := l.open(queue.Config{})
	const rivals = 2
	n := f.room(1000)
	f.number(0, n)
	packets := take(t, q, n)
	taken := make([]atomic.Int32, n)
	var accepted atomic.Int64
	var ready atomic.Int64 // how many have come so far, to meet at each packet
	var group sync.WaitGroup
	for rival := range rivals {
		group.Go(func() {
			for i, p := range packets {
				ready.Add(1)
				for spins := 0; ready.Load() < int64(rivals*(i+1)); spins++ {
					if spins > 1000 {
						runtime.Gosched()
					}
				}
				action := []queue.Action{queue.Accept, queue.Drop}[(i+rival)%2]
				switch err := p.Decide(queue.Verdict{Action: action}); {
				case err == nil:
					taken[i].Add(1)
					if action == queue.Accept {
						accepted.Add(1)
					}
				case !errors.Is(err, queue.ErrDecided):
					t.Errorf("packet %d: %v, want ErrDecided", p.ID, err)
				}
			}
		})
	}
	group.Wait()
	for i := range taken {
		if got := taken[i].Load(); got != 1 {
			t.Errorf("packet %d: %d verdicts were taken, want 1", i, got)
		}
	}
	passed := int(accepted.Load())
	wantStats(t, settled(t, q), queue.Stats{
		Received: uint64(n), Decided: uint64(n), Accepted: uint64(passed), Dropped: uint64(n - passed),
	})
	if got := sent(); got != passed {
		t.Errorf("%d packets were sent, want %d", got, passed)
	}
}

// The packets of several consumers of one channel.
func TestKernelManyConsumers(t *testing.T) {
	l := newLab(t)
	f := l.flow(loopback4)
	l.queueUDP()
	q := l.open(queue.Config{Buffer: -1})
	for range 8 {
		l.judge(channel(q), queue.Packet.Accept)
	}
	const n = 2000
	for i := 0; i < n; i += 200 {
		f.number(i, 200)
		f.wantNumbers(numbers(i, 200))
	}
	wantStats(t, settled(t, q), queue.Stats{Received: n, Decided: n, Accepted: n})
}

// A mark given with a verdict is seen by the rules of a later chain.
func TestKernelMark(t *testing.T) {
	const old, mark = 0x11, 0x80000042
	for _, test := range []struct {
		name    string
		verdict queue.Verdict
		want    uint32
	}{
		{"none", queue.Verdict{Action: queue.Accept}, old},
		{"set", queue.Verdict{Action: queue.Accept, Mark: mark}, mark},
		{"to zero", queue.Verdict{Action: queue.Accept, MarkMask: ^uint32(0)}, 0},
		{"in a mask", queue.Verdict{Action: queue.Accept, Mark: 0x2, MarkMask: 0x3}, 0x12},
		{"one bit to zero", queue.Verdict{Action: queue.Accept, MarkMask: 0x10}, 0x1},
		{"all its bits to zero", queue.Verdict{Action: queue.Accept, MarkMask: 0x1f}, 0},
		{"in a mask, with a priority", queue.Verdict{Action: queue.Accept, Mark: 0x2, MarkMask: 0xf, Priority: 3}, 0x12},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t)
			f := l.flow(loopback4)
			testutil.SetMark(t, f.client, old)
			l.queueUDP()
			later := l.chain(netns.Output, 10,
				netns.Rule{Protocol: netns.UDP},
				netns.Rule{Protocol: netns.UDP, Mark: netns.MarkIs(test.want)})
			q := l.open(queue.Config{})
			l.judge(q.All(), func(p queue.Packet) error {
				if p.Mark != old {
					t.Errorf("Mark = %#x, want %#x", p.Mark, old)
				}
				return p.Decide(test.verdict)
			})
			f.number(0, 5)
			f.wantNumbers(numbers(0, 5))
			settled(t, q)
			if all, marked := count(t, later, 0), count(t, later, 1); all != 5 || marked != 5 {
				t.Errorf("the later chain saw %d packets, %d with mark %#x, want 5, 5", all, marked, test.want)
			}
		})
	}
}

// TestKernelRepeatWithMark repeats a packet with a mark, by which the chain
// recognizes it the second time.
func TestKernelRepeatWithMark(t *testing.T) {
	const mark = 7
	l := newLab(t)
	f := l.flow(loopback4)
	chain := l.chain(netns.Output, 0,
		netns.Rule{Protocol: netns.UDP, Mark: netns.MarkIs(mark), Action: netns.Accept},
		toQueue(0))
	q := l.open(queue.Config{})
	l.judge(q.All(), func(p queue.Packet) error {
		return p.Decide(queue.Verdict{Action: queue.Repeat, Mark: mark})
	})
	f.number(0, 10)
	f.wantNumbers(numbers(0, 10))
	wantStats(t, settled(t, q), queue.Stats{Received: 10, Decided: 10, Repeated: 10})
	if marked, queued := count(t, chain, 0), count(t, chain, 1); marked != 10 || queued != 10 {
		t.Errorf("the rules matched %d and %d packets, want 10 each", marked, queued)
	}
}

// Without a mark a repeated packet is queued again, as another one.
func TestKernelRepeat(t *testing.T) {
	l := newLab(t)
	f := l.flow(loopback4)
	l.queueUDP()
	q := l.open(queue.Config{})
	f.number(0, 1)
	first := take(t, q, 1)[0]
	if err := first.Repeat(); err != nil {
		t.Fatal(err)
	}
	again := take(t, q, 1)[0]
	if first.ID != 1 || again.ID != 2 {
		t.Errorf("ids %d and %d, want 1 and 2", first.ID, again.ID)
	}
	if err := again.Accept(); err != nil {
		t.Fatal(err)
	}
	f.wantNumbers(numbers(0, 1))
	wantStats(t, settled(t, q), queue.Stats{Received: 2, Decided: 2, Repeated: 1, Accepted: 1})
}

// Accept leaves a packet to the chains after the queue's, Stop does not.
func TestKernelStop(t *testing.T) {
	l := newLab(t)
	f := l.flow(loopback4)
	l.queueUDP()
	later := l.chain(netns.Output, 10, netns.Rule{Protocol: netns.UDP, Action: netns.Drop})
	q := l.open(queue.Config{})
	l.judge(q.All(), func(p queue.Packet) error {
		if numberOf(p) == 0 {
			return p.Accept()
		}
		return p.Decide(queue.Verdict{Action: queue.Stop})
	})
	f.number(0, 3)
	f.wantNumbers(numbers(1, 2))
	wantStats(t, settled(t, q), queue.Stats{Received: 3, Decided: 3, Accepted: 1, Stopped: 2})
	if got := count(t, later, 0); got != 1 {
		t.Errorf("the later chain saw %d packets, want 1", got)
	}
}

func TestKernelRequeue(t *testing.T) {
	const second, nobody = 40000, 9
	l := newLab(t)
	f := l.flow(loopback4)
	l.queueUDP()
	q1, q2 := l.open(queue.Config{}), l.open(queue.Config{Number: second})
	f.send("to the second")
	f.send("to nobody")
	f.send("past nobody")
	for i, v := range []queue.Verdict{
		{Action: queue.Requeue, Number: second, Mark: 5},
		{Action: queue.Requeue, Number: nobody},
		{Action: queue.Requeue, Number: nobody, Bypass: true},
	} {
		if err := take(t, q1, 1)[0].Decide(v); err != nil {
			t.Errorf("verdict %d: %v", i, err)
		}
	}
	p := take(t, q2, 1)[0]
	if p.Mark != 5 || p.ID != 1 || string(p.Payload[28:]) != "to the second" {
		t.Errorf("requeued packet %d has mark %d and payload %q", p.ID, p.Mark, p.Payload[28:])
	}
	f.want("past nobody")
	if err := p.Accept(); err != nil {
		t.Error(err)
	}
	f.want("to the second")
	wantStats(t, settled(t, q1), queue.Stats{Received: 3, Decided: 3, Requeued: 3})
	wantStats(t, settled(t, q2), queue.Stats{Received: 1, Decided: 1, Accepted: 1})
	f.wantNothing()
}

// A priority given with a verdict is the packet's when it is queued again.
func TestKernelPriority(t *testing.T) {
	const first, second = 6, 3
	l := newLab(t)
	f := l.flow(loopback4)
	setPriority(t, f.client, first)
	l.queueUDP()
	l.chain(netns.Postrouting, 0, toQueue(1))
	q1, q2 := l.open(queue.Config{}), l.open(queue.Config{Number: 1})
	f.number(0, 3)
	for i, p := range take(t, q1, 3) {
		if i == 0 && p.Priority == 0 {
			testutil.Lacks(t, testutil.PacketPriority, p)
		}
		if p.Priority != first {
			t.Errorf("Priority = %d, want %d", p.Priority, first)
		}
		v := []queue.Verdict{{}, {Priority: second}, {ZeroPriority: true}}[i]
		v.Action = queue.Accept
		if err := p.Decide(v); err != nil {
			t.Error(err)
		}
	}
	for i, p := range take(t, q2, 3) {
		if want := []uint32{first, second, 0}[i]; p.Priority != want {
			t.Errorf("packet %d: Priority = %d, want %d", i, p.Priority, want)
		}
		if err := p.Accept(); err != nil {
			t.Error(err)
		}
	}
	f.wantNumbers(numbers(0, 3))
	settled(t, q1)
	settled(t, q2)
}

func setPriority(t *testing.T, conn *net.UDPConn, priority int) {
	t.Helper()
	rc, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = rc.Control(func(fd uintptr) {
		if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PRIORITY, priority); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A verdict that is refused leaves the packet undecided.
func TestKernelVerdictRefused(t *testing.T) {
	l := newLab(t)
	f := l.flow(loopback4)
	l.queueUDP()
	q := l.open(queue.Config{})
	f.number(0, 1)
	p := take(t, q, 1)[0]
	for _, test := range []struct {
		name    string
		verdict queue.Verdict
		want    error
	}{
		{"no action", queue.Verdict{}, queue.ErrInvalid},
		{"no action, but a mark", queue.Verdict{Mark: 1}, queue.ErrInvalid},
		{"a mark outside its mask", queue.Verdict{Action: queue.Accept, Mark: 5, MarkMask: 4}, queue.ErrInvalid},
		{"unknown action", queue.Verdict{Action: queue.Requeue + 1}, queue.ErrInvalid},
		{"VLAN of an IP packet", queue.Verdict{Action: queue.Accept, VLAN: queue.VLAN{Protocol: 0x8100, TCI: 1}}, queue.ErrUnsupported},
		{"link header of an IP packet", queue.Verdict{Action: queue.Accept, LinkHeader: make([]byte, 14)}, queue.ErrUnsupported},
		{"empty payload", queue.Verdict{Action: queue.Accept, Payload: []byte{}}, queue.ErrInvalid},
		{"payload too long", queue.Verdict{Action: queue.Accept, Payload: make([]byte, 65532)}, queue.ErrInvalid},
	} {
		if err := p.Decide(test.verdict); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
	if s := q.Stats(); s.Undecided != 1 || s.Kernel.Pending != 1 {
		t.Errorf("%d undecided, %d pending, want 1, 1", s.Undecided, s.Kernel.Pending)
	}
	if err := p.Accept(); err != nil {
		t.Errorf("Accept after all that = %v", err)
	}
	f.wantNumbers(numbers(0, 1))
	wantStats(t, settled(t, q), queue.Stats{Received: 1, Decided: 1, Accepted: 1})
}
