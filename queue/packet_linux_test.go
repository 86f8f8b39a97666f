package queue_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
	"github.com/ipqueue/ipqueue/queue"
)

// TestKernelPacketFields compares the fields of packets with what was sent.
// Interface indexes have names in the namespace of the process.
func TestKernelPacketFields(t *testing.T) {
	testutil.RequireKernel(t)
	testutil.CheckLeaks(t)
	lo := testutil.Loopback(t)
	near, far := testutil.Veth(t, testutil.NewNamespace(t), lo.NS, 3)
	const mark = 0x81020304
	for _, test := range []struct {
		name     string
		hook     netns.Hook
		want     queue.Hook
		from     testutil.Host
		to       testutil.Host
		in, out  netns.Link
		hardware net.HardwareAddr
	}{
		{"output", netns.Output, queue.HookOutput, lo, lo, netns.Link{}, lo.Link, nil},
		{"postrouting", netns.Postrouting, queue.HookPostrouting, lo, lo, netns.Link{}, lo.Link, nil},
		{"prerouting", netns.Prerouting, queue.HookPrerouting, near, far, far.Link, netns.Link{}, hardwareAddr(t, near)},
		{"input", netns.Input, queue.HookInput, near, far, far.Link, netns.Link{}, hardwareAddr(t, near)},
	} {
		for i, family := range []queue.Family{queue.IPv4, queue.IPv6} {
			t.Run(fmt.Sprint(test.name, " ", family), func(t *testing.T) {
				l := labIn(t, lo.NS)
				f := newFlow(t, test.from.NS, test.to.NS, test.to.Addrs()[i])
				testutil.SetMark(t, f.client, mark)
				l.chain(test.hook, 0, toQueue(5))
				q := l.open(queue.Config{Number: 5})
				const text = "seen by the queue"
				f.send(text)
				p := take(t, q, 1)[0]
				wantMark := uint32(mark)
				if test.from.NS != test.to.NS {
					wantMark = 0 // it does not leave a namespace
				}
				header := []int{28, 48}[i]
				for _, field := range []struct {
					name      string
					got, want any
				}{
					{"ID", p.ID, uint64(1)},
					{"Hook", p.Hook, test.want},
					{"Family", p.Family, family},
					{"HWProtocol", p.HWProtocol, []uint16{0x0800, 0x86dd}[i]},
					{"Mark", p.Mark, wantMark},
					{"Length", p.Length, uint32(header + len(text))},
					{"Payload", string(p.Payload[header:]), text},
					{"Truncated", p.Truncated(), false},
					{"GSO", p.GSO(), false},
					{"In", deviceOf(p.In()), device{test.in.Index, test.in.Name}},
					{"Out", deviceOf(p.Out()), device{test.out.Index, test.out.Name}},
					{"PhysIn", p.PhysIn(), queue.Device{}},
					{"PhysOut", p.PhysOut(), queue.Device{}},
					{"HardwareAddr", p.HardwareAddr().String(), test.hardware.String()},
					{"LinkHeader", p.LinkHeader() == nil, true},
				} {
					if field.got != field.want {
						t.Errorf("%s = %v, want %v", field.name, field.got, field.want)
					}
				}
				if _, ok := p.VLAN(); ok {
					t.Error("the packet has a VLAN tag")
				}
				if _, ok := p.UID(); ok {
					t.Error("the packet has an owner, without Config.Owner")
				}
				if err := p.Accept(); err != nil {
					t.Error(err)
				}
				f.want(text)
				settled(t, q)
			})
		}
	}
}

func hardwareAddr(t *testing.T, h testutil.Host) (addr net.HardwareAddr) {
	t.Helper()
	err := h.NS.Do(func() error {
		device, err := net.InterfaceByName(h.Link.Name)
		if err == nil {
			addr = device.HardwareAddr
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

func TestKernelOwner(t *testing.T) {
	l := newLab(t)
	f := l.flow(loopback4)
	l.queueUDP()
	q := l.open(queue.Config{Owner: true})
	f.number(0, 1)
	p := take(t, q, 1)[0]
	uid, ok := p.UID()
	if want := outerID(t, "uid_map", os.Getuid()); !ok || uid != want {
		t.Errorf("UID = %d, %t, want %d", uid, ok, want)
	}
	gid, ok := p.GID()
	if want := outerID(t, "gid_map", os.Getgid()); !ok || gid != want {
		t.Errorf("GID = %d, %t, want %d", gid, ok, want)
	}
	if err := p.Accept(); err != nil {
		t.Error(err)
	}
	settled(t, q)
}

// outerID is what the id is outside the process's user namespace.
func outerID(t *testing.T, file string, id int) uint32 {
	t.Helper()
	b, err := os.ReadFile("/proc/self/" + file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var inner, outer, n int64 // n may be 1<<32 - 1
		if _, err := fmt.Sscan(line, &inner, &outer, &n); err != nil {
			t.Fatal(err)
		}
		if i := int64(id) - inner; i >= 0 && i < n {
			return uint32(outer + i)
		}
	}
	t.Fatalf("%d is not in %s: %s", id, file, b)
	return 0
}

// TestKernelTime checks the receive time, which the kernel reports while
// another program on the host has requested such times.
func TestKernelTime(t *testing.T) {
	l := newLab(t)
	f := l.flow(loopback4)
	asking, _ := l.flow(loopback4).client.SyscallConn()
	err := asking.Control(func(fd uintptr) {
		if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMP, 1); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	l.chain(netns.Input, 0, toQueue(0))
	q := l.open(queue.Config{})
	before := time.Now()
	// The kernel begins to take times a little after it was asked.
	eventually(t, "a packet has a receive time", func() bool {
		f.number(0, 1)
		p := take(t, q, 1)[0]
		if err := p.Accept(); err != nil {
			t.Error(err)
		}
		got := p.Time()
		if !got.IsZero() && (got.Before(before.Add(-time.Minute)) || got.After(time.Now().Add(time.Minute))) {
			t.Fatalf("Time = %v, want about %v", got, before)
		}
		return !got.IsZero()
	})
	settled(t, q)
}

// The label is empty unless a security module labels sockets, but the kernel
// takes the flag where it knows labels.
func TestKernelSecurityContext(t *testing.T) {
	l := newLab(t)
	f := l.flow(loopback4)
	l.queueUDP()
	q, err := l.tryOpen(queue.Config{SecurityContext: true})
	if errors.Is(err, unix.EOPNOTSUPP) {
		testutil.Lacks(t, testutil.SecurityLabels, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	f.number(0, 1)
	p := take(t, q, 1)[0]
	if label := p.SecurityContext(); strings.Contains(label, "\x00") {
		t.Errorf("SecurityContext = %q", label)
	}
	if err := p.Accept(); err != nil {
		t.Error(err)
	}
	settled(t, q)
}

// TestKernelLargestPacket sends the largest IPv4 packet. The message of the
// kernel has room for four bytes less.
func TestKernelLargestPacket(t *testing.T) {
	for i, lo := range loopbacks {
		t.Run(lo.name, func(t *testing.T) {
			l := newLab(t)
			f := l.flow(lo.addr)
			l.queueUDP()
			q := l.open(queue.Config{})
			length := []int{65535, 65536}[i] // of the IP packet; 65536 is loopback's MTU
			text := strings.Repeat("0123456789abcdef", 4096)[:length-[]int{28, 48}[i]]
			for range 3 {
				f.send(text)
			}
			for _, p := range take(t, q, 3) {
				if len(p.Payload) != 65531 || int(p.Length) != length || !p.Truncated() {
					t.Errorf("%d of %d bytes, Truncated %t, want 65531 of %d, true",
						len(p.Payload), p.Length, p.Truncated(), length)
				}
				if !strings.HasPrefix(text, string(p.Payload[headers(p.Payload):])) {
					t.Error("the bytes are not the packet's")
				}
				if err := p.Replace(p.Payload); !errors.Is(err, queue.ErrTruncated) {
					t.Errorf("Replace = %v, want ErrTruncated", err)
				}
				if err := p.Accept(); err != nil {
					t.Error(err)
				}
			}
			f.want(text, text, text)
			wantStats(t, settled(t, q), queue.Stats{Received: 3, Decided: 3, Accepted: 3})
		})
	}
}

// Packets of every size class, received among each other, keep their bytes
// until their verdict.
func TestKernelPayloadStays(t *testing.T) {
	l := newLab(t)
	f := l.flow(loopback4)
	l.queueUDP()
	q := l.open(queue.Config{})
	sizes := []int{0, 1, 200, 228, 229, 740, 741, 1508, 1509, 4068, 4069, 20000}
	fill := func(i, size int) []byte { return slices.Repeat([]byte{byte(i)}, size) }
	for round := range 5 {
		for i, size := range sizes {
			f.send(string(fill(10*round+i, size)))
		}
		packets := take(t, q, len(sizes))
		for i, p := range packets {
			if i%2 == 1 {
				accept(t, p)
			}
		}
		for i, size := range sizes {
			if i%2 == 0 {
				if p := packets[i]; !bytes.Equal(p.Payload[28:], fill(10*round+i, size)) {
					t.Errorf("round %d: the packet of %d bytes has changed", round, size)
				}
				accept(t, packets[i])
			}
		}
	}
	n := uint64(5 * len(sizes))
	wantStats(t, settled(t, q), queue.Stats{Received: n, Decided: n, Accepted: n})
}

func accept(t testing.TB, p queue.Packet) {
	t.Helper()
	if err := p.Accept(); err != nil {
		t.Error(err)
	}
}

// TestKernelBridge checks that packets that cross a bridge have a link header.
// Only nft_queue queues them there.
func TestKernelBridge(t *testing.T) {
	l := newLab(t)
	near, far := bridged(t, l.ns)
	table, err := l.ns.AddTable(netns.Bridge, "lab")
	if err != nil {
		testutil.Lacks(t, testutil.BridgeQueues, err)
	}
	_, err = table.AddChain(netns.Forward, -200, toQueue(0)) // NF_BR_PRI_FILTER_BRIDGED: before br_netfilter
	if errors.Is(err, errors.ErrUnsupported) {
		testutil.Lacks(t, testutil.BridgeQueues, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	q := l.open(queue.Config{})
	f := newFlow(t, near.NS, far.NS, far.IPv4)
	f.send("over the bridge")
	p := take(t, q, 1)[0]
	source := hardwareAddr(t, near)
	if h := p.LinkHeader(); len(h) != 14 || !bytes.Equal(h[6:12], source) {
		t.Errorf("LinkHeader = % x, want the sender's, % x", h, source)
	}
	if p.Family != queue.Bridge || p.PhysIn().Index == 0 || p.PhysOut().Index == 0 {
		t.Errorf("Family %v, PhysIn %v, PhysOut %v", p.Family, p.PhysIn(), p.PhysOut())
	}
	err = p.Replace(withPayload(p, "changed on it"))
	if errors.Is(err, queue.ErrUnsupported) {
		accept(t, p)
		f.want("over the bridge")
		testutil.Lacks(t, testutil.BridgeReplacements, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	f.want("changed on it")
	settled(t, q)
}

// bridged returns two hosts of one subnet, joined by a bridge in n.
func bridged(t *testing.T, n *netns.Namespace) (near, far testutil.Host) {
	t.Helper()
	bridge, err := n.AddBridge("br0")
	if err == nil {
		err = bridge.SetUp()
	}
	if err != nil {
		t.Fatal(err)
	}
	port1, near := testutil.Veth(t, n, testutil.NewNamespace(t), 1)
	port2, far := testutil.Veth(t, n, testutil.NewNamespace(t), 2)
	if err := errors.Join(port1.Link.SetBridge(bridge), port2.Link.SetBridge(bridge)); err != nil {
		t.Fatal(err)
	}
	far.IPv4 = near.IPv4.Next()
	if err := far.Link.AddAddr(netip.PrefixFrom(far.IPv4, 24)); err != nil {
		t.Fatal(err)
	}
	return near, far
}
