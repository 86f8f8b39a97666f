package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
)

// start runs the program with the policy until the end of the test.
func start(t *testing.T, accepted mark, text string) (out *testutil.Output, file string) {
	t.Helper()
	o := standard()
	o.accepted, o.file = accepted, filepath.Join(t.TempDir(), "policy")
	writePolicy(t, o.file, text)
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP) // a late SIGHUP does not end the test
	out = new(testutil.Output)
	t.Cleanup(func() { signal.Stop(reload) })
	testutil.Background(t, func(ctx context.Context) error { return run(ctx, o, reload, out) })
	out.Await(t, "firewall: ")
	return out, o.file
}

// pair returns a client and a server at the ith address of the host. They use
// UDP, which does not react to dropped packets.
func pair(t *testing.T, lo testutil.Host, i int) (client, server *net.UDPConn) {
	t.Helper()
	return testutil.UDP(t, lo.NS, lo.NS, lo.Addrs()[i])
}

// port returns the port of a socket.
func port(conn *net.UDPConn) uint16 { return conn.LocalAddr().(*net.UDPAddr).AddrPort().Port() }

// wantDropped sends a datagram from each client, and checks that only the
// second arrives.
func wantDropped(t *testing.T, dropped, passing *net.UDPConn, server *net.UDPConn) {
	t.Helper()
	for _, conn := range []*net.UDPConn{dropped, passing} {
		if _, err := conn.Write([]byte(conn.LocalAddr().String())); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := string(testutil.Receive(t, server)), passing.LocalAddr().String(); got != want {
		t.Errorf("received from %s, want %s", got, want)
	}
}

// another returns a second client of the server.
func another(t *testing.T, server *net.UDPConn) *net.UDPConn {
	t.Helper()
	conn, err := net.DialUDP("udp", nil, server.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func feed(t *testing.T) *netns.Chain {
	t.Helper()
	testutil.RequireKernel(t)
	return testutil.FeedAt(t, netns.Output,
		netns.Rule{Mark: netns.MarkIs(1), SaveMark: true},
		netns.Rule{ConnMark: netns.MarkIs(1), Action: netns.Accept},
		netns.Rule{Action: netns.Enqueue})
}

// TestOnePacketOfAFlow checks that only the first packet of an accepted flow is
// queued, and every packet of a dropped one.
func TestOnePacketOfAFlow(t *testing.T) {
	for i, name := range []string{"IPv4", "IPv6"} {
		t.Run(name, func(t *testing.T) {
			chain := feed(t)
			lo := testutil.Loopback(t)
			good, server := pair(t, lo, i)
			bad := another(t, server)
			start(t, mark{1, 1}, fmt.Sprintf("drop udp from port %d\naccept udp to port %d\ndefault drop\n", port(bad), port(server)))
			for range 50 {
				testutil.EchoUDP(t, good, server, []byte("echo"))
			}
			for range 3 {
				wantDropped(t, bad, good, server)
			}
			wantCounts(t, chain, 1, 103, 1+3)
		})
	}
}

// wantCounts checks how often three rules matched: the first, which saves the
// mark; the second, which accepts; and the rule that queues.
func wantCounts(t *testing.T, chain *netns.Chain, saved, accepted, queued uint64) {
	t.Helper()
	got, err := chain.Counts()
	if want := fmt.Sprint([]uint64{saved, accepted, queued}); err != nil || fmt.Sprint(got) != want {
		t.Errorf("saved, accepted, queued: %d, %v, want %s", got, err, want)
	}
}

// TestReload checks that a reload loses no packets, at any moment.
func TestReload(t *testing.T) {
	testutil.RequireKernel(t)
	testutil.FeedAt(t, netns.Output, netns.Rule{Action: netns.Enqueue})
	lo := testutil.Loopback(t)
	good, server := pair(t, lo, 0)
	bad := another(t, server)
	dropping := fmt.Sprintf("drop udp from port %d\ndefault accept\n", port(bad))
	out, file := start(t, mark{}, dropping)
	wantDropped(t, bad, good, server)

	writePolicy(t, file, "default accept\nnonsense\n")
	hangUp(t)
	out.Await(t, "nothing changed: "+file+`:2: want accept, drop or reject, not "nonsense"`)
	wantDropped(t, bad, good, server)

	writePolicy(t, file, "default accept\n")
	for i := range 200 {
		if i%10 == 0 {
			hangUp(t)
		}
		testutil.EchoUDP(t, good, server, []byte("echo"))
	}
	out.Await(t, "firewall: now 0 rules")
	testutil.EchoUDP(t, bad, server, []byte("dropped no more"))
}

func hangUp(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// usual contains the rules that every policy on this machine needs.
const usual = "accept in lo\naccept out lo\naccept udp to port 53\naccept udp to port 67\naccept tcp to port 22\n"

// TestDocumentedRules uses the documented rules in each form and with both IP
// versions.
func TestDocumentedRules(t *testing.T) {
	testutil.RequireKernel(t)
	for _, form := range forms {
		t.Run(form.name, func(t *testing.T) {
			form.install(t)
			for i, version := range []string{"IPv4", "IPv6"} {
				t.Run(version, func(t *testing.T) {
					t.Run("loopback", func(t *testing.T) { testLoopback(t, i) })
					t.Run("link", func(t *testing.T) { testLink(t, i) })
					t.Run("mark of others", func(t *testing.T) { testMarkOfOthers(t, i) })
					t.Run("route", func(t *testing.T) { testRoute(t, i) })
					t.Run("untracked", func(t *testing.T) { testUntracked(t, i) })
				})
			}
		})
	}
}

// heeded fails the test if a packet was queued again after its verdict.
func heeded(t *testing.T, out *testutil.Output) {
	t.Helper()
	if text := out.String(); strings.Contains(text, "came back") {
		t.Errorf("the documented rules ignore the marks:\n%s", text)
	}
}

func testLoopback(t *testing.T, i int) {
	lo := testutil.Loopback(t)
	good, server := pair(t, lo, i)
	bad := another(t, server)
	out, _ := start(t, mark{1, 1}, fmt.Sprintf("drop udp from port %d\n", port(bad))+usual+"default drop\n")
	testutil.EchoUDP(t, good, server, []byte("echo"))
	wantDropped(t, bad, good, server)
	client, listener := testutil.TCP(t, lo.NS, lo.NS, lo.Addrs()[i])
	testutil.EchoTCP(t, client, listener, []byte(strings.Repeat("text", 1<<18)))
	heeded(t, out)
}

// testLink checks that connections over a new Ethernet link work in both
// directions, although no neighbour is known yet, and nothing else passes.
func testLink(t *testing.T, i int) {
	out, file := start(t, mark{1, 1}, "default drop\n")
	own, other := testutil.Veth(t, &netns.Namespace{}, testutil.NewNamespace(t), uint8(10+i))
	writePolicy(t, file, usual+"accept in "+own.Link.Name+" udp to port 7\n"+
		"accept out "+own.Link.Name+" udp to port 9\nreject tcp to port 25\nreject udp to port 25\ndefault drop\n")
	hangUp(t)
	out.Await(t, "firewall: now 9 rules")
	near, far := own.Addrs()[i], other.Addrs()[i]
	for _, test := range []struct {
		from, to testutil.Host
		at       netip.AddrPort
		passes   bool
	}{
		{own, other, netip.AddrPortFrom(far, 9), true},
		{own, other, netip.AddrPortFrom(far, 7), false},
		{other, own, netip.AddrPortFrom(near, 7), true},
		{other, own, netip.AddrPortFrom(near, 9), false},
	} {
		wait := 20 * time.Second
		if !test.passes {
			wait = 300 * time.Millisecond
		}
		if got := answers(t, test.from.NS, test.to.NS, test.at, wait); got != test.passes {
			t.Errorf("a datagram to %v is answered: %t, want %t", test.at, got, test.passes)
		}
	}
	for _, network := range []string{"tcp", "udp"} {
		wantRejected(t, own.NS, network, netip.AddrPortFrom(far, 25))
		wantRejected(t, other.NS, network, netip.AddrPortFrom(near, 25))
	}
	heeded(t, out)
}

// answers reports whether a datagram from one namespace to a server in another
// gets an answer in time.
func answers(t *testing.T, from, to *netns.Namespace, at netip.AddrPort, within time.Duration) bool {
	t.Helper()
	var server *net.UDPConn
	err := to.Do(func() (err error) {
		server, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	var client *net.UDPConn
	err = from.Do(func() (err error) {
		client, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(at))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	go func() {
		b := make([]byte, 100)
		if n, from, err := server.ReadFromUDPAddrPort(b); err == nil {
			server.WriteToUDPAddrPort(b[:n], from)
		}
	}()
	if _, err := client.Write([]byte("question")); err != nil {
		return false // the firewall has dropped it
	}
	client.SetReadDeadline(time.Now().Add(within))
	_, err = client.Read(make([]byte, 100))
	return err == nil
}

// wantRejected checks that the sender gets an error.
func wantRejected(t *testing.T, from *netns.Namespace, network string, at netip.AddrPort) {
	t.Helper()
	err := from.Do(func() error {
		conn, err := net.DialTimeout(network, at.String(), 10*time.Second)
		if err != nil {
			return err
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := conn.Write([]byte("question")); err != nil {
			return err
		}
		_, err = conn.Read(make([]byte, 100))
		return err
	})
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%s to %v: %v, want that the connection is refused", network, at, err)
	}
}

// testMarkOfOthers checks that packets of a socket with a mark leave with
// exactly this mark, so that a routing rule without a mask matches it.
func testMarkOfOthers(t *testing.T, i int) {
	const vpn = 0xca6c
	lo := testutil.Loopback(t)
	client, server := pair(t, lo, i)
	testutil.SetMark(t, client, vpn)
	chain := testutil.FeedAt(t, netns.Postrouting,
		netns.Rule{Protocol: netns.UDP, Mark: netns.MarkIs(vpn)},
		netns.Rule{Protocol: netns.UDP})
	out, _ := start(t, mark{1, 1}, usual+"default drop\n")
	for range 3 {
		testutil.EchoUDP(t, client, server, []byte("echo"))
	}
	got, err := chain.Counts()
	if err != nil || fmt.Sprint(got) != "[3 6]" { // the answers have no mark
		t.Errorf("packets with the mark, in all: %d, %v, want [3 6]", got, err)
	}
	heeded(t, out)
}

// testRoute checks that packets of a VPN's socket use the route that a routing
// rule selects by the VPN's mark.
func testRoute(t *testing.T, i int) {
	requireProgram(t, "ip")
	own := &netns.Namespace{}
	usually, direct := testutil.Veth(t, own, testutil.NewNamespace(t), uint8(20+2*i))
	vpn, far := testutil.Veth(t, own, testutil.NewNamespace(t), uint8(21+2*i))
	target := []netip.Addr{netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("2001:db8::1")}[i]
	whole := netip.PrefixFrom(target, target.BitLen())
	version := []string{"-4", "-6"}[i]
	for _, err := range []error{
		far.Link.AddAddr(whole),
		own.AddRoute(whole, direct.Addrs()[i]),
		execute(t, fmt.Sprintf("ip %s route add %v via %v table 100; ip %s rule add fwmark 0xca6c lookup 100", version, whole, far.Addrs()[i], version)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		execute(t, fmt.Sprintf("ip %s rule del fwmark 0xca6c; ip %s route flush table 100", version, version))
	})
	var server *net.UDPConn
	err := far.NS.Do(func() (err error) {
		server, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(target, 0)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(vpn.Addrs()[i], 0)))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	testutil.SetMark(t, client, 0xca6c)
	out, _ := start(t, mark{1, 1}, "accept out "+vpn.Link.Name+"\ndrop out "+usually.Link.Name+"\ndefault accept\n")
	for range 2 {
		// A datagram may be lost while the kernel looks for the next hop.
		testutil.Await(t, "a datagram by the VPN", func() bool {
			if _, err := client.WriteTo([]byte("by the VPN"), server.LocalAddr()); err != nil {
				t.Fatal(err)
			}
			server.SetReadDeadline(time.Now().Add(time.Second))
			b := make([]byte, 100)
			n, err := server.Read(b)
			return err == nil && string(b[:n]) == "by the VPN"
		})
	}
	heeded(t, out)
}

// testUntracked checks that the policy applies to packets that belong to no
// connection.
func testUntracked(t *testing.T, i int) {
	notrack(t)
	lo := testutil.Loopback(t)
	good, server := pair(t, lo, i)
	bad := another(t, server)
	out, _ := start(t, mark{1, 1}, fmt.Sprintf("drop udp from port %d\n", port(bad))+usual+"default drop\n")
	for range 3 {
		testutil.EchoUDP(t, good, server, []byte("echo"))
	}
	wantDropped(t, bad, good, server)
	heeded(t, out)
}
