package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
)

func writePolicy(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// start runs the program, with that policy, until the test is done.
func start(t *testing.T, mark uint32, text string) (out *testutil.Output, file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "policy")
	writePolicy(t, file, text)
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP) // one that comes late ends no test
	out = new(testutil.Output)
	t.Cleanup(func() { signal.Stop(reload) })
	testutil.Background(t, func(ctx context.Context) error { return run(ctx, options{0, mark, file}, reload, out) })
	out.Await(t, "firewall: ")
	return out, file
}

// pair is a client and a server that the host has at its ith address: UDP does
// not notice what is dropped.
func pair(t *testing.T, lo testutil.Host, i int) (client, server *net.UDPConn) {
	t.Helper()
	return testutil.UDP(t, lo.NS, lo.NS, lo.Addrs()[i])
}

// port is that of a socket.
func port(conn *net.UDPConn) uint16 { return conn.LocalAddr().(*net.UDPAddr).AddrPort().Port() }

// wantDropped wants the second of two datagrams, and not the first, to arrive.
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

// another is a second client of the server.
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

// Of an accepted flow one packet alone is queued; of a dropped one each is.
func TestOnePacketOfAFlow(t *testing.T) {
	for i, name := range []string{"IPv4", "IPv6"} {
		t.Run(name, func(t *testing.T) {
			chain := feed(t)
			lo := testutil.Loopback(t)
			good, server := pair(t, lo, i)
			bad := another(t, server)
			start(t, 1, fmt.Sprintf("drop udp from port %d\naccept udp to port %d\ndefault drop\n", port(bad), port(server)))
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

// wantCounts compares how often the rules matched: the first, which saves the
// mark, the second, which accepts, and the one to the queue.
func wantCounts(t *testing.T, chain *netns.Chain, saved, accepted, queued uint64) {
	t.Helper()
	got, err := chain.Counts()
	if want := fmt.Sprint([]uint64{saved, accepted, queued}); err != nil || fmt.Sprint(got) != want {
		t.Errorf("saved, accepted, queued: %d, %v, want %s", got, err, want)
	}
}

func TestTCP(t *testing.T) {
	feed(t)
	start(t, 1, "accept tcp\ndefault drop\n")
	lo := testutil.Loopback(t)
	for _, addr := range lo.Addrs() {
		client, server := testutil.TCP(t, lo.NS, lo.NS, addr)
		testutil.EchoTCP(t, client, server, []byte(strings.Repeat("text", 1<<18)))
	}
}

// A reload loses no packet, although it comes between any two of them.
func TestReload(t *testing.T) {
	testutil.RequireKernel(t)
	testutil.FeedAt(t, netns.Output, netns.Rule{Action: netns.Enqueue})
	lo := testutil.Loopback(t)
	good, server := pair(t, lo, 0)
	bad := another(t, server)
	dropping := fmt.Sprintf("drop udp from port %d\ndefault accept\n", port(bad))
	out, file := start(t, 0, dropping)
	wantDropped(t, bad, good, server)

	writePolicy(t, file, "default accept\nnonsense\n")
	hangUp(t)
	out.Await(t, "nothing changed: "+file+`:2: want accept or drop, not "nonsense"`)
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

// Without the rules that heed the mark nothing goes round for ever.
func TestMarkWithoutRules(t *testing.T) {
	testutil.RequireKernel(t)
	testutil.FeedAt(t, netns.Output, netns.Rule{Action: netns.Enqueue})
	lo := testutil.Loopback(t)
	client, server := pair(t, lo, 0)
	out, _ := start(t, 1, "default accept\n")
	testutil.EchoUDP(t, client, server, []byte("echo"))
	out.Await(t, errCameBack.Error())
}

func TestDocumentedRules(t *testing.T) {
	testutil.FeedAsDocumented(t, "main.go")
	for i, name := range []string{"IPv4", "IPv6"} {
		t.Run(name, func(t *testing.T) {
			good, server := pair(t, testutil.Loopback(t), i)
			bad := another(t, server)
			out, _ := start(t, 1, fmt.Sprintf("drop udp from port %d\ndefault accept\n", port(bad)))
			testutil.EchoUDP(t, good, server, []byte("echo"))
			wantDropped(t, bad, good, server)
			if text := out.String(); strings.Contains(text, errCameBack.Error()) {
				t.Errorf("the documented rules do not heed the mark: %s", text)
			}
		})
	}
}
