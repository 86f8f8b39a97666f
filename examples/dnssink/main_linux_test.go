package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
)

// start runs the program until the test is done.
func start(t *testing.T, args ...string) *testutil.Output {
	t.Helper()
	o, err := parseLine(append(args, "blocked.example", ".ads.example")...)
	if err != nil {
		t.Fatal(err)
	}
	var out testutil.Output
	testutil.Background(t, func(ctx context.Context) error { return run(ctx, o, &out) })
	out.Await(t, "dnssink: 2 names")
	return &out
}

// serve answers questions for addresses at port 53 until the test is done.
// www.example is an alias of x.ads.example.
func serve(t *testing.T, addr netip.Addr) {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 53)))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		answerQueries(t, conn)
	}()
	t.Cleanup(func() { conn.Close(); <-ended })
}

func answerQueries(t *testing.T, conn *net.UDPConn) {
	b := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		var m dnsmessage.Message
		if err := errors.Join(err, m.Unpack(b[:n])); err != nil {
			t.Error(err)
			return
		}
		if _, err := conn.WriteToUDPAddrPort(pack(t, answerTo(m)), from); err != nil {
			t.Error(err)
		}
	}
}

// answerTo keeps the additional section: the OPT record.
func answerTo(m dnsmessage.Message) dnsmessage.Message {
	m.Response, m.RecursionAvailable = true, true
	q := m.Questions[0]
	name := q.Name.String()
	if name == "www.example." {
		m.Answers = append(m.Answers, alias(name, "x.ads.example."))
		name = "x.ads.example."
	}
	switch q.Type {
	case dnsmessage.TypeA:
		m.Answers = append(m.Answers, address(name))
	case dnsmessage.TypeAAAA:
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: header(name), Body: &dnsmessage.AAAAResource{AAAA: [16]byte{0x20, 0x01, 15: 1}}})
	}
	return m
}

// resolver asks the server at addr.
func resolver(addr netip.Addr) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", netip.AddrPortFrom(addr, 53).String())
	}}
}

// lookup returns one of the name's addresses, or "none" if there is no such
// name.
func lookup(t *testing.T, r *net.Resolver, network, name string) string {
	t.Helper()
	addrs, err := r.LookupNetIP(t.Context(), network, name)
	var failed *net.DNSError
	switch {
	case errors.As(err, &failed) && failed.IsNotFound:
		return "none"
	case err != nil:
		t.Fatal(err)
	}
	return addrs[0].String()
}

func wantLookup(t *testing.T, r *net.Resolver, network, name, want string) {
	t.Helper()
	if got := lookup(t, r, network, name); got != want {
		t.Errorf("%s of %s is %s, want %s", network, name, got, want)
	}
}

// feed queues the responses: server and client are on the same machine.
func feed(t *testing.T) {
	t.Helper()
	testutil.RequireKernel(t)
	testutil.FeedAt(t, netns.Input, netns.Rule{Protocol: netns.UDP, Action: netns.Enqueue})
}

func TestNoSuchName(t *testing.T) {
	feed(t)
	out := start(t)
	for _, addr := range testutil.Loopback(t).Addrs() {
		serve(t, addr)
		r := resolver(addr)
		for name, want := range map[string]string{
			"blocked.example.":   "none",
			"BLOCKED.example.":   "none",
			"a.b.ads.example.":   "none",
			"www.example.":       "none",
			"a.blocked.example.": "192.0.2.1",
			"good.example.":      "192.0.2.1",
		} {
			wantLookup(t, r, "ip4", name, want)
		}
		wantLookup(t, r, "ip6", "blocked.example.", "none")
		wantLookup(t, r, "ip6", "good.example.", "2001::1")
	}
	out.Await(t, `nxdomain  AAAA   "blocked.example."                        UDP [::1]:53 > [::1]:`)
}

func TestZeroAddress(t *testing.T) {
	feed(t)
	start(t, "-answer", "zero")
	for _, addr := range testutil.Loopback(t).Addrs() {
		serve(t, addr)
		r := resolver(addr)
		wantLookup(t, r, "ip4", "blocked.example.", "0.0.0.0")
		wantLookup(t, r, "ip6", "blocked.example.", "::")
		wantLookup(t, r, "ip4", "good.example.", "192.0.2.1")
	}
}

// Of two questions the dropped one is first, and only the other has an answer.
func TestDrop(t *testing.T) {
	testutil.RequireKernel(t)
	testutil.FeedAt(t, netns.Output, netns.Rule{Protocol: netns.UDP, DstPort: 53, Action: netns.Enqueue})
	out := start(t, "-answer", "drop")
	for _, addr := range testutil.Loopback(t).Addrs() {
		serve(t, addr)
		conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 53)))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for _, name := range []string{"blocked.example.", "good.example."} {
			if _, err := conn.Write(pack(t, query(question(name, dnsmessage.TypeA)))); err != nil {
				t.Fatal(err)
			}
		}
		var m dnsmessage.Message
		if err := m.Unpack(testutil.Receive(t, conn)); err != nil {
			t.Fatal(err)
		}
		if got := m.Questions[0].Name.String(); got != "good.example." {
			t.Errorf("%v answers the question for %s, want good.example.", addr, got)
		}
	}
	out.Await(t, `drop      A      "blocked.example."`)
}

func TestDocumentedRules(t *testing.T) {
	testutil.FeedAsDocumented(t, "main.go")
	start(t)
	for _, addr := range testutil.Loopback(t).Addrs() {
		serve(t, addr)
		wantLookup(t, resolver(addr), "ip4", "blocked.example.", "none")
		wantLookup(t, resolver(addr), "ip4", "good.example.", "192.0.2.1")
	}
}

// Other datagrams pass, whatever is in them.
func TestOtherDatagrams(t *testing.T) {
	feed(t)
	start(t)
	for _, addr := range testutil.Loopback(t).Addrs() {
		lo := testutil.Loopback(t)
		client, server := testutil.UDP(t, lo.NS, lo.NS, addr)
		for _, payload := range []string{"", "x", "no question about blocked.example", "\x00\x07\x80\x00\x00\x01\x00\x00\x00\x00\x00\x00"} {
			testutil.EchoUDP(t, client, server, []byte(payload))
		}
	}
}
