package netns_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
)

func TestVethJoinsNamespaces(t *testing.T) {
	requireInside(t)
	testutil.CheckLeaks(t)
	own := &netns.Namespace{}
	other := testutil.NewNamespace(t)
	for _, test := range []struct {
		name string
		a, b *netns.Namespace
	}{
		{"own to other", own, other},
		{"other to own", other, own},
		{"other to third", other, testutil.NewNamespace(t)},
	} {
		t.Run(test.name, func(t *testing.T) {
			near, far := testutil.Veth(t, test.a, test.b, 1)
			for _, addr := range far.Addrs() {
				client, server := testutil.UDP(t, near.NS, far.NS, addr)
				testutil.EchoUDP(t, client, server, []byte("over "+addr.String()))
			}
		})
	}
}

func TestAddVethTwice(t *testing.T) {
	requireInside(t)
	n := testutil.NewNamespace(t)
	if _, _, err := n.AddVeth("a", n, "b"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := n.AddVeth("a", n, "c"); !errors.Is(err, syscall.EEXIST) {
		t.Errorf("AddVeth of an existing name = %v, want EEXIST", err)
	}
}

func TestLinkIndex(t *testing.T) {
	requireInside(t)
	n := testutil.NewNamespace(t)
	link, _, err := n.AddVeth("a", n, "b")
	if err != nil {
		t.Fatal(err)
	}
	if got := device(t, n, "a").Index; got != link.Index || got == 0 {
		t.Errorf("Index = %d, the kernel's is %d", link.Index, got)
	}
	if _, err := n.Link("none"); err == nil {
		t.Error("Link of a missing link: no error")
	}
}

func TestLinkSettings(t *testing.T) {
	requireInside(t)
	n := testutil.NewNamespace(t)
	link, _, err := n.AddVeth("a", n, "b")
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name   string
		do     func() error
		wantUp bool
		mtu    int
	}{
		{"as made", func() error { return nil }, false, 1500},
		{"SetMTU", func() error { return link.SetMTU(1280) }, false, 1280},
		{"SetUp", link.SetUp, true, 1280},
		{"SetDown", link.SetDown, false, 1280},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		d := device(t, n, "a")
		if up := d.Flags&net.FlagUp != 0; up != step.wantUp || d.MTU != step.mtu {
			t.Errorf("after %s: up %t, MTU %d, want %t, %d", step.name, up, d.MTU, step.wantUp, step.mtu)
		}
	}
	if err := link.SetMTU(1 << 20); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("SetMTU of too much = %v, want EINVAL", err)
	}
}

func TestLinkDelete(t *testing.T) {
	requireInside(t)
	n, other := testutil.NewNamespace(t), testutil.NewNamespace(t)
	link, _, err := n.AddVeth("a", other, "b")
	if err != nil {
		t.Fatal(err)
	}
	if err := link.Delete(); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Link("b"); err == nil {
		t.Error("the other end is still there")
	}
	if err := link.SetUp(); !errors.Is(err, syscall.ENODEV) {
		t.Errorf("SetUp after Delete = %v, want ENODEV", err)
	}
}

func TestLinkRename(t *testing.T) {
	requireInside(t)
	n := testutil.NewNamespace(t)
	link, _, err := n.AddVeth("a", n, "b")
	if err != nil {
		t.Fatal(err)
	}
	renamed, err := link.Rename("c")
	if err != nil || renamed.Name != "c" || renamed.Index != link.Index {
		t.Fatalf("Rename = %+v, %v, want c with index %d", renamed, err, link.Index)
	}
	if device(t, n, "c").Index != link.Index {
		t.Error("c is another link")
	}
	if got, err := renamed.Rename("b"); got.Name != "c" || !errors.Is(err, syscall.EEXIST) {
		t.Errorf("Rename to a taken name = %q, %v, want c, EEXIST", got.Name, err)
	}
}

func TestWaitRunning(t *testing.T) {
	requireInside(t)
	n := testutil.NewNamespace(t)
	link, peer, err := n.AddVeth("a", n, "b")
	if err != nil {
		t.Fatal(err)
	}
	// Without its peer the link has no carrier.
	if err := link.SetUp(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := link.WaitRunning(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("WaitRunning without a carrier = %v, want context.Canceled", err)
	}
	if err := peer.SetUp(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := link.WaitRunning(ctx); err != nil {
		t.Error(err)
	}
}

func TestBridge(t *testing.T) {
	requireInside(t)
	left, right, _ := bridged(t)
	client, server := testutil.UDP(t, left.NS, right.NS, right.IPv4)
	testutil.EchoUDP(t, client, server, []byte("over the bridge"))
}

// bridged returns two hosts of one subnet whose links' other ends are the
// ports of a bridge in the third namespace.
func bridged(t *testing.T) (left, right testutil.Host, n *netns.Namespace) {
	t.Helper()
	n = testutil.NewNamespace(t)
	bridge, err := n.AddBridge("br0")
	if err != nil {
		t.Fatal(err)
	}
	if err := bridge.SetUp(); err != nil {
		t.Fatal(err)
	}
	port1, left := testutil.Veth(t, n, testutil.NewNamespace(t), 1)
	port2, right := testutil.Veth(t, n, testutil.NewNamespace(t), 2)
	for _, port := range []testutil.Host{port1, port2} {
		if err := port.Link.SetBridge(bridge); err != nil {
			t.Fatal(err)
		}
	}
	// The right host gets an address of the left one's subnet.
	right.IPv4 = netip.MustParseAddr("10.0.1.3")
	if err := right.Link.AddAddr(netip.PrefixFrom(right.IPv4, 24)); err != nil {
		t.Fatal(err)
	}
	return left, right, n
}

func device(t *testing.T, n *netns.Namespace, name string) (d *net.Interface) {
	t.Helper()
	err := n.Do(func() (err error) {
		d, err = net.InterfaceByName(name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestAddTunnel(t *testing.T) {
	requireInside(t)
	n := testutil.NewNamespace(t)
	tunnel := netns.Tunnel{Type: "vxlan", Local: netip.MustParseAddr("192.0.2.1"), Remote: netip.MustParseAddr("192.0.2.2"), Checksum: true}
	link, err := n.AddTunnel("tunnel", tunnel)
	if errors.Is(err, syscall.EOPNOTSUPP) {
		testutil.Lacks(t, "tunnels of type vxlan", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := device(t, n, "tunnel"); got.Index != link.Index || got.HardwareAddr == nil {
		t.Errorf("the kernel has %+v, want index %d and a hardware address", got, link.Index)
	}
	tunnel.Type = "none of these"
	if _, err := n.AddTunnel("other", tunnel); !errors.Is(err, syscall.EOPNOTSUPP) {
		t.Errorf("AddTunnel of another type = %v, want EOPNOTSUPP", err)
	}
}
