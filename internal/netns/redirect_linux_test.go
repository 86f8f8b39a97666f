package netns_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
)

// A rule with SYN matches only the first packet of a connection.
func TestSYN(t *testing.T) {
	requireInside(t)
	lo := testutil.Loopback(t)
	_, chain := rules(t, lo.NS, netns.Inet, netns.Output,
		netns.Rule{Protocol: netns.TCP, SYN: true}, netns.Rule{Protocol: netns.TCP, Action: netns.Accept})
	for _, addr := range lo.Addrs() {
		client, server := testutil.TCP(t, lo.NS, lo.NS, addr)
		testutil.EchoTCP(t, client, server, []byte("more packets"))
	}
	counts, err := chain.Counts()
	if err != nil {
		t.Fatal(err)
	}
	if counts[0] != 2 || counts[1] < 2*4 {
		t.Errorf("%d of %d packets opened connections, want 2 of 8 or more", counts[0], counts[1])
	}
}

// A connection to a port without a listener is redirected by the rule.
func TestRedirect(t *testing.T) {
	requireInside(t)
	lo := testutil.Loopback(t)
	for _, family := range []netns.Family{netns.IPv4, netns.IPv6, netns.Inet} {
		for _, addr := range addrsOf(family, lo) {
			listener, err := net.Listen("tcp", netip.AddrPortFrom(addr, 0).String())
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			table, _ := rules(t, lo.NS, family, netns.Output)
			redirect := netns.Rule{
				Protocol: netns.TCP, DstPort: 9,
				Action: netns.Redirect, ToPort: uint16(listener.Addr().(*net.TCPAddr).Port),
			}
			if _, err := table.AddNATChain(netns.Output, -100, redirect); err != nil {
				t.Fatal(err)
			}
			conn, err := net.Dial("tcp", netip.AddrPortFrom(addr, 9).String())
			if err != nil {
				t.Fatal(err)
			}
			conn.Close()
			if err := table.Delete(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// The kernel takes redirections in chains for them only.
func TestRedirectInFilterChain(t *testing.T) {
	requireInside(t)
	_, chain := rules(t, testutil.NewNamespace(t), netns.IPv4, netns.Output)
	if err := chain.Add(netns.Rule{Protocol: netns.TCP, Action: netns.Redirect, ToPort: 9}); err == nil {
		t.Error("a filter chain took a redirection")
	}
}
