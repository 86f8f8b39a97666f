package netns_test

import (
	"context"
	"errors"
	"net/netip"
	"syscall"
	"testing"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
)

func TestAddAddr(t *testing.T) {
	requireInside(t)
	n := testutil.NewNamespace(t)
	lo, err := n.Link("lo")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"192.0.2.1/24", "2001:db8::1/64"} {
		prefix := netip.MustParsePrefix(s)
		if err := lo.AddAddr(prefix); err != nil {
			t.Fatal(err)
		}
		waitAddr(t, lo, prefix.Addr())
		client, server := testutil.UDP(t, n, n, prefix.Addr())
		testutil.EchoUDP(t, client, server, []byte(s))
		if err := lo.AddAddr(prefix); !errors.Is(err, syscall.EEXIST) {
			t.Errorf("AddAddr(%v) again = %v, want EEXIST", prefix, err)
		}
	}
}

func waitAddr(t *testing.T, link netns.Link, addr netip.Addr) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := link.WaitAddr(ctx, addr); err != nil {
		t.Fatal(err)
	}
}

// Neither an address of the link's subnet nor one that cannot be reached is
// the namespace's own.
func TestWaitAddr(t *testing.T) {
	requireInside(t)
	n := testutil.NewNamespace(t)
	lo, err := n.Link("lo")
	if err != nil {
		t.Fatal(err)
	}
	if err := lo.AddAddr(netip.MustParsePrefix("2001:db8::1/64")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, s := range []string{"2001:db8::2", "2001:db8:1::1", "192.0.2.1"} {
		if err := lo.WaitAddr(ctx, netip.MustParseAddr(s)); !errors.Is(err, context.Canceled) {
			t.Errorf("WaitAddr of %s = %v, want context.Canceled", s, err)
		}
	}
	waitAddr(t, lo, netip.MustParseAddr("2001:db8::1"))
}

// A packet crosses a router: a third namespace between two links.
func TestAddRoute(t *testing.T) {
	requireInside(t)
	router := testutil.NewNamespace(t)
	for _, name := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"} {
		if err := router.SetSysctl(name, "1"); err != nil {
			t.Fatal(err)
		}
	}
	left, leftPort := testutil.Veth(t, testutil.NewNamespace(t), router, 1)
	right, rightPort := testutil.Veth(t, testutil.NewNamespace(t), router, 2)
	addRoutes(t, left, leftPort, right)
	addRoutes(t, right, rightPort, left)
	for _, addr := range right.Addrs() {
		client, server := testutil.UDP(t, left.NS, right.NS, addr)
		testutil.EchoUDP(t, client, server, []byte("to "+addr.String()))
	}
}

// addRoutes sends what goes from one host to another's subnets through the
// gateway.
func addRoutes(t *testing.T, from, gateway, to testutil.Host) {
	t.Helper()
	for i, bits := range []int{24, 64} {
		subnet := netip.PrefixFrom(to.Addrs()[i], bits)
		if err := from.NS.AddRoute(subnet, gateway.Addrs()[i]); err != nil {
			t.Fatal(err)
		}
	}
}
