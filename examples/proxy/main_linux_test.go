package main

import (
	"fmt"
	"slices"
	"testing"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

// addRules installs the rules of the package comment. The counters are those of
// the rule that queues and of two later rules, which match the marks.
func addRules(t *testing.T, port uint16) *netns.Chain {
	t.Helper()
	var own netns.Namespace
	table, err := own.AddTable(netns.Inet, "proxy")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := table.Delete(); err != nil {
			t.Error(err)
		}
	})
	const mangle, dstnat = -150, -100
	obey := netns.Rule{Protocol: netns.TCP, Mark: netns.MarkIs(1), Action: netns.Redirect, ToPort: port}
	if _, err := table.AddNATChain(netns.Output, dstnat, obey); err != nil {
		t.Fatal(err)
	}
	ask, err := table.AddChain(netns.Output, mangle,
		netns.Rule{Protocol: netns.TCP, SYN: true, Mark: netns.MarkIs(0), Action: netns.Enqueue},
		netns.Rule{Protocol: netns.TCP, SYN: true, Mark: netns.MarkIs(1)},
		netns.Rule{Protocol: netns.TCP, SYN: true, Mark: netns.MarkIs(2)},
	)
	if err != nil {
		t.Fatal(err)
	}
	return ask
}

// TestProxy checks that connections to another host go to the proxy, and those
// to this host do not. The proxy is real: the bytes that it receives arrive at
// the original destination.
func TestProxy(t *testing.T) {
	testutil.RequireKernel(t)
	program := testutil.Build(t)
	proxy := startProxy(t)
	counts := addRules(t, proxy.port())
	lo := testutil.Loopback(t)
	near, far := testutil.Veth(t, lo.NS, testutil.NewNamespace(t), 9)
	p := testutil.Start(t, program, "-to", far.IPv4.String(), "-to", far.IPv6.String()+"/120")
	testutil.AwaitOwner(t, 0)
	printed := fmt.Sprintf("proxy: queue 0, connections to [%v/32 fd00:0:0:9::/120] get mark 0x1, all others 0x2\n", far.IPv4)
	for _, addr := range far.Addrs() {
		client, server := testutil.TCP(t, near.NS, far.NS, addr)
		testutil.EchoTCP(t, client, server, []byte("through the proxy"))
		if got, want := proxy.next(t), client.RemoteAddr().String(); got != want {
			t.Errorf("the proxy was asked for %s, want %s", got, want)
		}
		printed += fmt.Sprintf("proxy   TCP %v > %v\n", client.LocalAddr(), client.RemoteAddr())
	}
	for _, addr := range lo.Addrs() {
		client, server := testutil.TCP(t, lo.NS, lo.NS, addr)
		testutil.EchoTCP(t, client, server, []byte("past the proxy"))
		printed += fmt.Sprintf("direct  TCP %v > %v\n", client.LocalAddr(), client.RemoteAddr())
	}
	proxy.wantIdle(t)
	p.Interrupt(t)
	if got := p.Stdout.String(); got != printed || p.Stderr.String() != "" {
		t.Errorf("printed\n%s, complained %q, want\n%s, nothing", got, &p.Stderr, printed)
	}
	// Each SYN was queued once, and reached the later rules with its mark.
	if got, err := counts.Counts(); err != nil || !slices.Equal(got, []uint64{4, 2, 2}) {
		t.Errorf("the rules counted %d, %v, want 4, 2, 2", got, err)
	}
}

// TestProxyWithoutMarkRule uses a rule that queues packets whatever their mark.
// The program must not repeat them forever.
func TestProxyWithoutMarkRule(t *testing.T) {
	testutil.RequireKernel(t)
	program := testutil.Build(t)
	testutil.Feed(t, netns.Rule{Protocol: netns.TCP, SYN: true, Action: netns.Enqueue})
	p := testutil.Start(t, program)
	testutil.AwaitOwner(t, 0)
	lo := testutil.Loopback(t)
	client, server := testutil.TCP(t, lo.NS, lo.NS, lo.IPv4)
	testutil.EchoTCP(t, client, server, []byte("nevertheless"))
	p.Interrupt(t)
	flow := fmt.Sprintf("TCP %v > %v\n", client.LocalAddr(), client.RemoteAddr())
	if got, want := p.Stdout.String(), "proxy: queue 0, connections get mark 0x1, all others 0x2\nproxy   "+flow+"marked  "+flow; got != want {
		t.Errorf("printed\n%swant\n%s", got, want)
	}
}

func TestProxyFails(t *testing.T) {
	testutil.RequireKernel(t)
	program := testutil.Build(t)
	testutil.WantFailure(t, program, 2, "want an address or a network", "-to", "example.com")
	testutil.WantFailure(t, program, 2, "must differ", "-direct", "1")
	owner := testutil.Start(t, program)
	testutil.AwaitOwner(t, 0)
	testutil.WantFailure(t, program, 1, "taken by program (process")
	owner.Interrupt(t)
}
