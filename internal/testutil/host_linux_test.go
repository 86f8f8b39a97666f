package testutil

import (
	"net/netip"
	"testing"

	"github.com/ipqueue/ipqueue/internal/netns"
)

func requireInside(t *testing.T) {
	t.Helper()
	if err := netns.Inside(); err != nil {
		Lacks(t, Namespaces, err)
	}
}

// A path is a way for the packets of a helper; tests run with each.
type path struct {
	name     string
	from, to *netns.Namespace
	addr     netip.Addr
}

// paths are loopback and veth, over IPv4 and IPv6.
func paths(t *testing.T) []path {
	t.Helper()
	lo := Loopback(t)
	near, far := Veth(t, lo.NS, NewNamespace(t), 7)
	return []path{
		{"loopback IPv4", lo.NS, lo.NS, lo.IPv4},
		{"loopback IPv6", lo.NS, lo.NS, lo.IPv6},
		{"veth IPv4", near.NS, far.NS, far.IPv4},
		{"veth IPv6", near.NS, far.NS, far.IPv6},
	}
}

func TestLoopback(t *testing.T) {
	requireInside(t)
	if lo := Loopback(t); lo.Link.Name != "lo" || lo.Link.Index != 1 {
		t.Errorf("link %s, index %d, want lo, 1", lo.Link.Name, lo.Link.Index)
	}
}

func TestVeth(t *testing.T) {
	requireInside(t)
	CheckLeaks(t)
	n := NewNamespace(t)
	a, b := Veth(t, n, NewNamespace(t), 7)
	for _, test := range []struct {
		host     Host
		name     string
		ip4, ip6 string
	}{
		{a, "v7a", "10.0.7.1", "fd00:0:0:7::1"},
		{b, "v7b", "10.0.7.2", "fd00:0:0:7::2"},
	} {
		if got := test.host.Link.Name; got != test.name {
			t.Errorf("link %s, want %s", got, test.name)
		}
		want := [2]netip.Addr{netip.MustParseAddr(test.ip4), netip.MustParseAddr(test.ip6)}
		if got := [2]netip.Addr(test.host.Addrs()); got != want {
			t.Errorf("%s: addresses %v, want %v", test.name, got, want)
		}
	}
}

// The links go with the test, so that the next one can have their names.
func TestVethIsRemoved(t *testing.T) {
	requireInside(t)
	own := &netns.Namespace{}
	f := fake(func(t testing.TB) { Veth(t, own, NewNamespace(t), 7) })
	if len(f.failures) > 0 {
		t.Fatal(f.failures)
	}
	if _, err := own.Link("v7a"); err == nil {
		t.Error("the link is still there")
	}
}
