package netns_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mdlayher/netlink"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
)

// Marks that tell the packets of a test apart.
const (
	markTry   = 0x7e57 // those that the rules are about
	markOther = 0x07e4
)

// rules installs the rules in a table of their own, which goes with the test.
func rules(t *testing.T, n *netns.Namespace, family netns.Family, hook netns.Hook, list ...netns.Rule) (*netns.Table, *netns.Chain) {
	t.Helper()
	table, err := n.AddTable(family, "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { table.Delete() })
	priority := int32(0)
	if family == netns.Bridge {
		priority = bridgeFilter
	}
	chain, err := table.AddChain(hook, priority, list...)
	if err != nil {
		t.Fatal(err)
	}
	return table, chain
}

// bridgeFilter is the usual priority of a chain in family bridge
// (NF_BR_PRI_FILTER_BRIDGED). Packets that br_netfilter has shown to the rules
// for IPv4 miss chains of priority 0 in Linux 5.10.
const bridgeFilter = -200

// send sends a datagram that has the mark.
func send(t *testing.T, conn *net.UDPConn, mark uint32, payload string) {
	t.Helper()
	testutil.SetMark(t, conn, mark)
	if _, err := conn.Write([]byte(payload)); err != nil {
		t.Fatal(err)
	}
}

func wantNext(t *testing.T, conn *net.UDPConn, want string) {
	t.Helper()
	if got := string(testutil.Receive(t, conn)); got != want {
		t.Errorf("received %q, want %q", got, want)
	}
}

func wantCounts(t *testing.T, c *netns.Chain, want ...uint64) {
	t.Helper()
	got, err := c.Counts()
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("counts %d, %v, want %d", got, err, want)
	}
}

// No program has bound the queue: without bypass its packets are dropped.
func TestUnboundQueue(t *testing.T) {
	testutil.RequireKernel(t)
	testutil.CheckLeaks(t)
	lo := testutil.Loopback(t)
	for _, family := range []netns.Family{netns.IPv4, netns.IPv6, netns.Inet} {
		for _, hook := range []netns.Hook{netns.Prerouting, netns.Input, netns.Output, netns.Postrouting} {
			for _, bypass := range []bool{false, true} {
				t.Run(fmt.Sprintf("family %d hook %d bypass %t", family, hook, bypass), func(t *testing.T) {
					rule := netns.Rule{Mark: netns.MarkIs(markTry), Action: netns.Enqueue, Queue: netns.Queue{First: 9, Bypass: bypass}}
					_, chain := rules(t, lo.NS, family, hook, rule)
					for _, addr := range addrsOf(family, lo) {
						client, server := testutil.UDP(t, lo.NS, lo.NS, addr)
						send(t, client, markTry, "to the queue")
						send(t, client, markOther, "past it")
						if bypass {
							wantNext(t, server, "to the queue")
						}
						wantNext(t, server, "past it")
					}
					wantCounts(t, chain, uint64(len(addrsOf(family, lo))))
				})
			}
		}
	}
}

// addrsOf returns the host's addresses of the family.
func addrsOf(family netns.Family, h testutil.Host) []netip.Addr {
	switch family {
	case netns.IPv4:
		return []netip.Addr{h.IPv4}
	case netns.IPv6:
		return []netip.Addr{h.IPv6}
	}
	return h.Addrs()
}

// A queue must receive the packets of its rule, including forwarded ones.
func TestBoundQueue(t *testing.T) {
	testutil.RequireKernel(t)
	n := testutil.NewNamespace(t)
	for _, test := range []struct {
		name  string
		queue netns.Queue
		bound []uint16
	}{
		{"number 0", netns.Queue{}, []uint16{0}},
		{"number 65535", netns.Queue{First: 65535}, []uint16{65535}},
		{"range", netns.Queue{First: 3, Last: 4}, []uint16{3, 4}},
		{"fanout", netns.Queue{First: 3, Last: 6, Fanout: true}, []uint16{3, 4, 5, 6}},
		{"bypass", netns.Queue{First: 3, Bypass: true}, []uint16{3}},
	} {
		t.Run(test.name, func(t *testing.T) {
			rules(t, n, netns.IPv4, netns.Output, netns.Rule{Action: netns.Enqueue, Queue: test.queue})
			for _, number := range test.bound {
				bindQueue(t, n, number)
			}
			client, _ := testutil.UDP(t, n, n, netip.MustParseAddr("127.0.0.1"))
			for range 5 {
				send(t, client, 0, "queued")
			}
			if got := waiting(t, n); got != 5 {
				t.Errorf("%d packets wait, want 5", got)
			}
		})
	}
}

func TestQueueRange(t *testing.T) {
	testutil.RequireKernel(t)
	_, chain := rules(t, testutil.NewNamespace(t), netns.IPv4, netns.Output)
	for _, queue := range []netns.Queue{{First: 0, Last: 65535}, {First: 5, Last: 4}} {
		if err := chain.Add(netns.Rule{Action: netns.Enqueue, Queue: queue}); err == nil {
			t.Errorf("Add of queues %d to %d: no error", queue.First, queue.Last)
		}
	}
	wantCounts(t, chain)
}

// Removing a hook drops the packets of every queue.
func TestDeleteFlushesQueues(t *testing.T) {
	testutil.RequireKernel(t)
	n := testutil.NewNamespace(t)
	rules(t, n, netns.IPv4, netns.Output, netns.Rule{Action: netns.Enqueue})
	unrelated, err := n.AddTable(netns.IPv6, "unrelated")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unrelated.AddChain(netns.Forward, 0); err != nil {
		t.Fatal(err)
	}
	bindQueue(t, n, 0)
	client, _ := testutil.UDP(t, n, n, netip.MustParseAddr("127.0.0.1"))
	send(t, client, 0, "queued")
	if got := waiting(t, n); got != 1 {
		t.Fatalf("%d packets wait, want 1", got)
	}
	if err := unrelated.Delete(); err != nil {
		t.Fatal(err)
	}
	if got := waiting(t, n); got != 0 {
		t.Errorf("%d packets wait after a table was deleted, want 0", got)
	}
	if err := unrelated.Delete(); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("second Delete = %v, want ENOENT", err)
	}
}

func TestMatches(t *testing.T) {
	requireInside(t)
	a, b := testutil.Veth(t, testutil.NewNamespace(t), testutil.NewNamespace(t), 1)
	client, server := testutil.UDP(t, a.NS, b.NS, b.IPv4)
	port := server.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	for _, test := range []struct {
		name string
		rule netns.Rule
		want uint64
	}{
		{"any", netns.Rule{}, 1},
		{"protocol", netns.Rule{Protocol: netns.UDP}, 1},
		{"other protocol", netns.Rule{Protocol: netns.TCP}, 0},
		{"port", netns.Rule{Protocol: netns.UDP, DstPort: port}, 1},
		{"other port", netns.Rule{Protocol: netns.UDP, DstPort: port ^ 1}, 0},
		{"mark", netns.Rule{Mark: netns.MarkIs(markTry)}, 1},
		{"other mark", netns.Rule{Mark: netns.MarkIs(markOther)}, 0},
		{"not the mark", netns.Rule{Mark: netns.MarkIsNot(markTry)}, 0},
		{"not another mark", netns.Rule{Mark: netns.MarkIsNot(markOther)}, 1},
		{"link", netns.Rule{OutLink: a.Link.Name}, 1},
		{"other link", netns.Rule{OutLink: "lo"}, 0},
		{"way", netns.Rule{InLink: a.Link.Name}, 0},
		{"all but one", netns.Rule{Protocol: netns.UDP, DstPort: port, Mark: netns.MarkIs(markTry), OutLink: "lo"}, 0},
		{"all", netns.Rule{Protocol: netns.UDP, DstPort: port, Mark: netns.MarkIs(markTry), OutLink: a.Link.Name}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			// IPv6 sends of its own when a link comes up.
			_, chain := rules(t, a.NS, netns.IPv4, netns.Output, test.rule)
			send(t, client, markTry, test.name)
			wantNext(t, server, test.name)
			wantCounts(t, chain, test.want)
		})
	}
	t.Run("in link", func(t *testing.T) {
		_, chain := rules(t, b.NS, netns.IPv4, netns.Input, netns.Rule{InLink: b.Link.Name}, netns.Rule{InLink: "lo"})
		send(t, client, 0, "in")
		wantNext(t, server, "in")
		wantCounts(t, chain, 1, 0)
	})
}

func TestMatchProtocols(t *testing.T) {
	requireInside(t)
	n := testutil.NewNamespace(t)
	_, chain := rules(t, n, netns.Inet, netns.Output,
		netns.Rule{Protocol: netns.ICMP}, netns.Rule{Protocol: netns.ICMPv6}, netns.Rule{Protocol: netns.TCP})
	for _, addr := range []string{"127.0.0.1", "::1"} {
		if err := testutil.Ping(n, netip.MustParseAddr(addr), []byte("ping"), patience); err != nil {
			t.Error(err)
		}
	}
	// Request and reply both go out.
	wantCounts(t, chain, 2, 2, 0)
}

func TestActions(t *testing.T) {
	requireInside(t)
	lo := testutil.Loopback(t)
	client, server := testutil.UDP(t, lo.NS, lo.NS, lo.IPv4)
	toServer := netns.MarkIs(markTry)
	for _, test := range []struct {
		name   string
		action netns.Action
		counts []uint64 // of the rule with the action, and of the next one
		later  uint64   // of the next chain
	}{
		{"continue", netns.Continue, []uint64{1, 1}, 1},
		{"accept", netns.Accept, []uint64{1, 0}, 1},
		{"drop", netns.Drop, []uint64{1, 0}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			table, chain := rules(t, lo.NS, netns.IPv4, netns.Input,
				netns.Rule{Mark: toServer, Action: test.action}, netns.Rule{Mark: toServer})
			later, err := table.AddChain(netns.Input, 1, netns.Rule{Mark: toServer})
			if err != nil {
				t.Fatal(err)
			}
			send(t, client, markTry, "try")
			send(t, client, markOther, "other")
			if test.action != netns.Drop {
				wantNext(t, server, "try")
			}
			wantNext(t, server, "other")
			wantCounts(t, chain, test.counts...)
			wantCounts(t, later, test.later)
		})
	}
}

// A mark that one chain sets is visible in later chains, but not in earlier ones.
func TestSetMark(t *testing.T) {
	requireInside(t)
	n := testutil.NewNamespace(t)
	table, _ := rules(t, n, netns.IPv6, netns.Output, netns.Rule{Protocol: netns.UDP, SetMark: markTry})
	var chains []*netns.Chain
	for _, priority := range []int32{-100, 100} {
		c, err := table.AddChain(netns.Output, priority, netns.Rule{Mark: netns.MarkIs(markTry)})
		if err != nil {
			t.Fatal(err)
		}
		chains = append(chains, c)
	}
	client, server := testutil.UDP(t, n, n, netip.IPv6Loopback())
	send(t, client, 0, "marked")
	wantNext(t, server, "marked")
	wantCounts(t, chains[0], 0)
	wantCounts(t, chains[1], 1)
}

// What one packet's mark makes of its connection holds for the later ones, and
// for the answers.
func TestConnMark(t *testing.T) {
	requireInside(t)
	n := testutil.NewNamespace(t)
	for _, addr := range []string{"127.0.0.1", "::1"} {
		t.Run(addr, func(t *testing.T) {
			_, chain := rules(t, n, netns.Inet, netns.Output,
				netns.Rule{ConnMark: netns.MarkIs(markTry)},
				netns.Rule{ConnMark: netns.MarkIsNot(markTry)},
				netns.Rule{Mark: netns.MarkIs(markTry), SaveMark: true})
			client, server := testutil.UDP(t, n, n, netip.MustParseAddr(addr))
			testutil.EchoUDP(t, client, server, []byte("not marked"))
			wantCounts(t, chain, 0, 2, 0)
			send(t, client, markTry, "marked")
			wantNext(t, server, "marked")
			wantCounts(t, chain, 0, 3, 1)
			testutil.SetMark(t, client, 0)
			testutil.EchoUDP(t, client, server, []byte("marked before"))
			wantCounts(t, chain, 2, 3, 1)
		})
	}
}

func TestReset(t *testing.T) {
	requireInside(t)
	for _, family := range []netns.Family{netns.IPv4, netns.IPv6, netns.Inet} {
		lo := testutil.Loopback(t)
		for _, addr := range addrsOf(family, lo) {
			t.Run(fmt.Sprintf("family %d %v", family, addr), func(t *testing.T) {
				client, _ := testutil.TCP(t, lo.NS, lo.NS, addr)
				rules(t, lo.NS, family, netns.Output, netns.Rule{Mark: netns.MarkIs(markTry), Action: netns.Reset})
				testutil.SetMark(t, client, markTry)
				if _, err := client.Write([]byte("reset this")); err != nil {
					t.Fatal(err)
				}
				if err := client.SetReadDeadline(time.Now().Add(patience)); err != nil {
					t.Fatal(err)
				}
				if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("Read = %v, want ECONNRESET", err)
				}
			})
		}
	}
}

func TestBridgeFamily(t *testing.T) {
	requireInside(t)
	left, right, n := bridged(t)
	_, chain := rules(t, n, netns.Bridge, netns.Forward, netns.Rule{Protocol: netns.UDP, Mark: netns.MarkIs(0)})
	client, server := testutil.UDP(t, left.NS, right.NS, right.IPv4)
	testutil.EchoUDP(t, client, server, []byte("over the bridge"))
	wantCounts(t, chain, 2)
}

func TestBridgeFamilyQueue(t *testing.T) {
	testutil.RequireKernel(t)
	left, right, n := bridged(t)
	_, chain := rules(t, n, netns.Bridge, netns.Forward)
	if err := chain.Add(netns.Rule{Protocol: netns.UDP, Action: netns.Enqueue}); errors.Is(err, errors.ErrUnsupported) {
		testutil.Lacks(t, testutil.BridgeQueues, err)
	} else if err != nil {
		t.Fatal(err)
	}
	wantQueued(t, left, right, n)
}

// With br_netfilter the rules for IPv4 see what is bridged, in any kernel.
func TestBridgedQueue(t *testing.T) {
	testutil.RequireKernel(t)
	left, right, n := bridged(t)
	if err := n.SetSysctl("bridge/bridge-nf-call-iptables", "1"); err != nil {
		testutil.Lacks(t, testutil.BridgeNetfilter, err)
	}
	rules(t, n, netns.IPv4, netns.Forward, netns.Rule{Protocol: netns.UDP, Action: netns.Enqueue})
	wantQueued(t, left, right, n)
}

// wantQueued checks that a datagram from one host to the other is queued in the
// namespace between them.
func wantQueued(t *testing.T, from, to testutil.Host, between *netns.Namespace) {
	t.Helper()
	bindQueue(t, between, 0)
	client, _ := testutil.UDP(t, from.NS, to.NS, to.IPv4)
	send(t, client, 0, "queued")
	// The datagram follows once the address has been resolved.
	for deadline := time.Now().Add(patience); waiting(t, between) != 1; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d packets wait, want 1", waiting(t, between))
		}
	}
}

func TestAddChainToMissingTable(t *testing.T) {
	requireInside(t)
	table, err := testutil.NewNamespace(t).AddTable(netns.IPv4, "gone")
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Delete(); err != nil {
		t.Fatal(err)
	}
	if _, err := table.AddChain(netns.Input, 0); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("AddChain = %v, want ENOENT", err)
	}
}

// bindQueue binds the queue, in mode META, until the test is done. Its packets
// stay in the kernel, waiting.
func bindQueue(t *testing.T, n *netns.Namespace, number uint16) {
	t.Helper()
	conn, err := netlink.Dial(syscall.NETLINK_NETFILTER, &netlink.Config{NetNS: n.FD()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	e := netlink.NewAttributeEncoder()
	e.Bytes(1, []byte{1, 0, 0, 0})    // NFQA_CFG_CMD: NFQNL_CFG_CMD_BIND
	e.Bytes(2, []byte{0, 0, 0, 0, 1}) // NFQA_CFG_PARAMS: NFQNL_COPY_META
	attrs, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Execute(netlink.Message{
		Header: netlink.Header{Type: 3<<8 | 2, Flags: netlink.Request | netlink.Acknowledge},
		Data:   append(binary.BigEndian.AppendUint16([]byte{0, 0}, number), attrs...),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// waiting returns how many packets wait in all queues of the namespace: the
// third column of each line.
func waiting(t *testing.T, n *netns.Namespace) (total int) {
	t.Helper()
	var status []byte
	err := n.Do(func() (err error) {
		status, err = os.ReadFile("/proc/thread-self/net/netfilter/nfnetlink_queue")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		var port uint32
		var number, waits int
		if _, err := fmt.Sscan(line, &number, &port, &waits); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		total += waits
	}
	return total
}
