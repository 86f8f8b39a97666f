package main

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
	"github.com/ipqueue/ipqueue/internal/testutil/replace"
)

// start runs the program until the end of the test.
func start(t *testing.T, args ...string) *testutil.Output {
	t.Helper()
	out, _ := startReloading(t, append(args, "blocked.example", ".ads.example")...)
	return out
}

// startReloading is like start. It also returns a channel; a value makes the
// program read the lists again.
func startReloading(t *testing.T, args ...string) (*testutil.Output, chan<- os.Signal) {
	t.Helper()
	o, err := parseLine(args...)
	if err != nil {
		t.Fatal(err)
	}
	var out testutil.Output
	hangups := make(chan os.Signal)
	testutil.Background(t, func(ctx context.Context) error { return run(ctx, o, hangups, &out) })
	out.Await(t, "; answer ")
	return &out, hangups
}

// serve answers questions for addresses at port 53, over UDP and TCP, until the
// end of the test. www.example is an alias of x.ads.example.
func serve(t *testing.T, addr netip.Addr) *server {
	t.Helper()
	s := new(server)
	at := netip.AddrPortFrom(addr, 53)
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { s.answerQueries(t, conn) })
	running.Go(func() {
		for {
			conn, err := listener.AcceptTCP()
			if err != nil {
				return
			}
			running.Go(func() { s.answerStream(t, conn) })
		}
	})
	t.Cleanup(func() { conn.Close(); listener.Close(); running.Wait() })
	return s
}

// A server records the questions that it gets.
type server struct {
	mu      sync.Mutex
	queries []string
}

// all returns the questions so far, each after its protocol.
func (s *server) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.queries)
}

// answer returns the answer to a query. It keeps the additional section, which
// contains the OPT record.
func (s *server) answer(t testing.TB, network string, query []byte) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil || len(m.Questions) != 1 {
		t.Errorf("the query %x: %v", query, err)
		return nil
	}
	s.mu.Lock()
	s.queries = append(s.queries, network+" "+strings.ToLower(m.Questions[0].Name.String()))
	s.mu.Unlock()
	withServerCookie(m.Additionals)
	return pack(t, answerTo(m))
}

// answerStream sends each answer in three parts.
func (s *server) answerStream(t testing.TB, conn *net.TCPConn) {
	defer conn.Close()
	length := make([]byte, 2)
	for {
		if _, err := io.ReadFull(conn, length); err != nil {
			return // the client has closed the connection, or it was reset
		}
		b := make([]byte, binary.BigEndian.Uint16(length))
		if _, err := io.ReadFull(conn, b); err != nil {
			return
		}
		answer := framed(s.answer(t, "tcp", b))
		for part := range slices.Chunk(answer, len(answer)/2) {
			if _, err := conn.Write(part); err != nil {
				return
			}
		}
	}
}

func (s *server) answerQueries(t testing.TB, conn *net.UDPConn) {
	b := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := conn.WriteToUDPAddrPort(s.answer(t, "udp", b[:n]), from); err != nil {
			t.Error(err)
		}
	}
}

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
	case dnsmessage.TypeTXT: // a large answer
		for range 200 {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: header(name), Body: &dnsmessage.TXTResource{TXT: []string{strings.Repeat("x", 255)}}})
		}
	case dnsmessage.TypeAAAA:
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: header(name), Body: &dnsmessage.AAAAResource{AAAA: [16]byte{0x20, 0x01, 15: 1}}})
	}
	return m
}

// resolver returns a resolver that uses the server at addr.
func resolver(addr netip.Addr) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", netip.AddrPortFrom(addr, 53).String())
	}}
}

// tcpResolver returns a resolver that uses the server at addr over TCP.
func tcpResolver(addr netip.Addr) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", netip.AddrPortFrom(addr, 53).String())
	}}
}

// lookup returns one of the addresses of name, or "none" if the name does not
// exist.
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

// feed adds rules that queue the responses. Server and client are on the same
// machine.
func feed(t *testing.T) {
	t.Helper()
	replace.Require(t)
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
	out.Await(t, `nxdomain  AAAA   blocked.example                           UDP [::1]:53 > [::1]:`)
	out.Await(t, `nxdomain  A      www.example > x.ads.example               UDP 127.0.0.1:53 > 127.0.0.1:`)
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

// TestDrop asks two questions. The first response is dropped, so only the
// second question has an answer.
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
			if _, err := conn.Write(pack(t, query(ask(name, dnsmessage.TypeA)))); err != nil {
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
	out.Await(t, `drop      A      blocked.example `)
}

// TestTCP checks that connections with listed names are reset, and all other
// responses arrive.
func TestTCP(t *testing.T) {
	replace.Require(t)
	testutil.FeedAt(t, netns.Input, netns.Rule{Protocol: netns.TCP, Action: netns.Enqueue})
	out := start(t)
	for _, addr := range testutil.Loopback(t).Addrs() {
		serve(t, addr)
		for range 3 {
			wantLookup(t, tcpResolver(addr), "ip4", "good.example.", "192.0.2.1")
			if txt, err := tcpResolver(addr).LookupTXT(t.Context(), "good.example."); len(txt) != 200 || err != nil {
				t.Errorf("%d TXT records, %v, want 200", len(txt), err)
			}
			wantReset(t, addr, "www.example.")
		}
	}
	out.Await(t, `reset     A      www.example > x.ads.example               TCP [::1]:53 > [::1]:`)
}

func wantReset(t *testing.T, addr netip.Addr, name string) {
	t.Helper()
	conn, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, 53)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(framed(pack(t, query(ask(name, dnsmessage.TypeA))))); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%s by TCP: %v, want %v", name, err, syscall.ECONNRESET)
	}
}

// TestReload checks that each hangup makes the program read the lists again,
// and that a list with a mistake changes nothing.
func TestReload(t *testing.T) {
	feed(t)
	list, allow := writeList(t, "blocked.example"), writeList(t, "")
	out, hangups := startReloading(t, "-list", list, "-allow", allow)
	addr := testutil.Loopback(t).IPv4
	serve(t, addr)
	r := resolver(addr)
	wantLookup(t, r, "ip4", "blocked.example.", "none")
	rewrite := func(file, text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		hangups <- syscall.SIGHUP
	}

	rewrite(list, "good.example\nnonsense\n")
	out.Await(t, "dnssink: nothing changed: "+list+":2: ")
	wantLookup(t, r, "ip4", "blocked.example.", "none")
	wantLookup(t, r, "ip4", "good.example.", "192.0.2.1")

	rewrite(list, ".example")
	out.Await(t, "dnssink: now 1 name blocks\n")
	wantLookup(t, r, "ip4", "good.example.", "none")

	rewrite(allow, "good.example")
	out.Await(t, "dnssink: now 1 name blocks, 1 exception\n")
	wantLookup(t, r, "ip4", "good.example.", "192.0.2.1")
	wantLookup(t, r, "ip4", "blocked.example.", "none")
}

func TestDocumentedRules(t *testing.T) {
	replace.Require(t)
	testutil.FeedAsDocumented(t, "main.go")
	start(t)
	for _, addr := range testutil.Loopback(t).Addrs() {
		serve(t, addr)
		wantLookup(t, resolver(addr), "ip4", "blocked.example.", "none")
		wantLookup(t, resolver(addr), "ip4", "good.example.", "192.0.2.1")
		wantLookup(t, tcpResolver(addr), "ip4", "good.example.", "192.0.2.1")
		wantReset(t, addr, "blocked.example.")
	}
}

// TestOtherDatagrams checks that datagrams which are no DNS responses pass.
func TestOtherDatagrams(t *testing.T) {
	feed(t)
	start(t)
	for _, addr := range testutil.Loopback(t).Addrs() {
		lo := testutil.Loopback(t)
		client, server := testutil.UDP(t, lo.NS, lo.NS, addr)
		for _, payload := range []string{"", "x", "no question about blocked.example"} {
			testutil.EchoUDP(t, client, server, []byte(payload))
		}
	}
}
