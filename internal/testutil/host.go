package testutil

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/ipqueue/ipqueue/internal/netns"
)

// A Host is a sender and receiver of packets: a link with its addresses.
type Host struct {
	NS         *netns.Namespace
	Link       netns.Link
	IPv4, IPv6 netip.Addr
}

// Addrs returns both addresses, for tests that run with each of them.
func (h Host) Addrs() []netip.Addr { return []netip.Addr{h.IPv4, h.IPv6} }

// Loopback returns the loopback link in the namespace of the process.
func Loopback(t testing.TB) Host {
	t.Helper()
	ns := &netns.Namespace{}
	lo, err := ns.Link("lo")
	if err != nil {
		t.Fatal(err)
	}
	return Host{ns, lo, netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}
}

// NewNamespace returns a new namespace, which is closed at the end of the test.
func NewNamespace(t testing.TB) *netns.Namespace {
	t.Helper()
	n, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// Veth connects two namespaces with a pair of Ethernet links, which are up and
// running until the end of the test. For subnet N, their names are vNa and vNb. Host a
// has the addresses 10.0.N.1 and fd00:0:0:N::1, host b has 10.0.N.2 and
// fd00:0:0:N::2.
func Veth(t testing.TB, a, b *netns.Namespace, subnet uint8) (Host, Host) {
	t.Helper()
	linkA, linkB, err := a.AddVeth(fmt.Sprintf("v%da", subnet), b, fmt.Sprintf("v%db", subnet))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := linkA.Delete(); err != nil {
			t.Error(err)
		}
	})
	hostA, hostB := newHost(a, linkA, subnet, 1), newHost(b, linkB, subnet, 2)
	for _, err := range []error{hostA.up(), hostB.up(), hostA.wait(), hostB.wait()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return hostA, hostB
}

func newHost(n *netns.Namespace, link netns.Link, subnet, number uint8) Host {
	return Host{
		NS:   n,
		Link: link,
		IPv4: netip.AddrFrom4([4]byte{10, 0, subnet, number}),
		IPv6: netip.AddrFrom16([16]byte{0: 0xfd, 7: subnet, 15: number}),
	}
}

// up adds the addresses to the link and sets it up.
func (h Host) up() error {
	if err := h.Link.AddAddr(netip.PrefixFrom(h.IPv4, 24)); err != nil {
		return err
	}
	if err := h.Link.AddAddr(netip.PrefixFrom(h.IPv6, 64)); err != nil {
		return err
	}
	return h.Link.SetUp()
}

// wait waits until the link runs and its addresses can be used.
func (h Host) wait() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return errors.Join(
		h.Link.WaitRunning(ctx),
		h.Link.WaitAddr(ctx, h.IPv4),
		h.Link.WaitAddr(ctx, h.IPv6))
}
