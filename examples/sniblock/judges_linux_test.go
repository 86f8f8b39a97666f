package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/examples/internal/rawip"
	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
	"github.com/ipqueue/ipqueue/queue/queuetest"
)

// feed adds rules that queue the packets of clients to port 443.
func feed(t *testing.T) {
	t.Helper()
	testutil.RequireKernel(t)
	testutil.FeedAt(t, netns.Output,
		netns.Rule{Mark: netns.MarkIs(2), Protocol: netns.TCP, Action: netns.Reset},
		netns.Rule{Protocol: netns.TCP, DstPort: 443, Action: netns.Enqueue},
		netns.Rule{Protocol: netns.UDP, DstPort: 443, Action: netns.Enqueue})
}

// listenUDP returns a socket that receives datagrams at port 443 and does not
// answer.
func listenUDP(t *testing.T, addr netip.Addr) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 443)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// TestQUICOnKernel starts two QUIC clients. The first is refused, and the
// packets of the second arrive.
func TestQUICOnKernel(t *testing.T) {
	feed(t)
	out := start(t, "")
	for i, addr := range testutil.Loopback(t).Addrs() {
		server := listenUDP(t, addr)
		client, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 443)))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		good := initialPacket{dcid: fmt.Sprint("good one ", i), frames: pad(crypto(0, quicHello(t, "good.example")))}.seal()
		bad := initialPacket{dcid: fmt.Sprint("bad one ", i), frames: pad(crypto(0, quicHello(t, "x.ads.example")))}.seal()
		for _, datagram := range []string{bad, bad, good} {
			if _, err := client.Write([]byte(datagram)); err != nil {
				t.Fatal(err)
			}
		}
		if got := testutil.Receive(t, server); string(got) != good {
			t.Errorf("%v got %d bytes that are not the good client's", addr, len(got))
		}
		server.Close()
		out.Await(t, client.LocalAddr().String())
	}
}

// TestMergedOnKernel sends several datagrams with one call, which the kernel
// queues as one packet (UDP GSO).
func TestMergedOnKernel(t *testing.T) {
	feed(t)
	start(t, "")
	addr := testutil.Loopback(t).IPv4
	server := listenUDP(t, addr)
	client, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 443)))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, name := range []string{"bad.example", "good.example"} {
		initial := initialPacket{dcid: "to " + name, frames: pad(crypto(0, quicHello(t, name)))}.seal()
		short := "\x40" + name + strings.Repeat("x", len(initial)-1-len(name))
		const segment = 103 // UDP_SEGMENT, linux/udp.h
		raw, err := client.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		_ = raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_UDP, segment, len(initial)) })
		if err != nil {
			testutil.Lacks(t, "UDP GSO", err)
		}
		if _, err := client.Write([]byte(short + initial)); err != nil {
			t.Fatal(err)
		}
	}
	if got := testutil.Receive(t, server); !strings.HasPrefix(string(got), "\x40good.example") {
		t.Errorf("the server got %.20q, want that for good.example", got)
	}
}

// TestDecoysOnKernel sends a decoy from a raw socket, which the kernel of the
// server drops. The real ClientHello must not pass because of it.
func TestDecoysOnKernel(t *testing.T) {
	feed(t)
	start(t, "-reset 2")
	addr := testutil.Loopback(t).IPv4
	serve(t, addr)
	raw, err := rawip.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	for _, test := range []struct {
		name    string
		flags   queuetest.TCPFlags
		options []byte
		spoil   func(b []byte)
	}{
		{"checksum", queuetest.ACK, nil, func(b []byte) { b[36] ^= 0x55 }},
		{"no ACK", queuetest.PSH, nil, func([]byte) {}},
		{"TCP MD5", queuetest.ACK, append([]byte{1, 1, 19, 18}, make([]byte, 16)...), func([]byte) {}},
		{"few hops", queuetest.ACK, nil, func(b []byte) { b[8] = 1; mustFix(b) }},
	} {
		conn, err := net.Dial("tcp", netip.AddrPortFrom(addr, 443).String())
		if err != nil {
			t.Fatal(err)
		}
		h := queuetest.TCPHeader{Seq: sequenceOf(t, conn.(*net.TCPConn)), Ack: 1, Flags: test.flags, Options: test.options}
		p := queuetest.TCP(conn.LocalAddr().String(), conn.RemoteAddr().String(), h, helloTo(t, "good.example"))
		test.spoil(p.Payload)
		if err := raw.Send(p.Payload); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond) // so that the kernel queues the decoy first
		if _, err := conn.Write(helloTo(t, "bad.example")); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		if n, err := conn.Read(make([]byte, 100)); !isReset(err) {
			t.Errorf("%s: the server answered with %d bytes, %v, want a reset", test.name, n, err)
		}
		conn.Close()
	}
}

func isReset(err error) bool {
	return err != nil && strings.Contains(err.Error(), syscall.ECONNRESET.Error())
}

// sequenceOf returns the sequence number of the next byte that conn sends.
func sequenceOf(t *testing.T, conn *net.TCPConn) (number uint32) {
	t.Helper()
	const repair, queue, sendQueue, sequence = 19, 20, 2, 21 // TCP_REPAIR and so on, linux/tcp.h
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	fail := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	fail(raw.Control(func(fd uintptr) {
		fail(syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, repair, 1))
		fail(syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, queue, sendQueue))
		n, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, sequence)
		fail(err)
		number = uint32(n)
		const offWithoutProbe = -1
		fail(syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, repair, offWithoutProbe))
	}))
	return number
}

// TestFastOpenOnKernel uses TCP Fast Open, where the SYN contains the
// ClientHello.
func TestFastOpenOnKernel(t *testing.T) {
	feed(t)
	const clientAndServerWithoutCookie = "1543"
	old, err := os.ReadFile("/proc/sys/net/ipv4/tcp_fastopen")
	if err != nil {
		testutil.Lacks(t, "TCP Fast Open", err)
	}
	lo := testutil.Loopback(t)
	if err := lo.NS.SetSysctl("ipv4/tcp_fastopen", clientAndServerWithoutCookie); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lo.NS.SetSysctl("ipv4/tcp_fastopen", strings.TrimSpace(string(old))) })
	start(t, "-reset 2")
	serve(t, lo.IPv4)
	const fastOpenConnect = 30 // TCP_FASTOPEN_CONNECT, linux/tcp.h
	dialer := net.Dialer{Control: func(_, _ string, c syscall.RawConn) (err error) {
		_ = c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, fastOpenConnect, 1) })
		return err
	}}
	for server, passes := range map[string]bool{"good.example": true, "bad.example": false} {
		conn, err := dialer.Dial("tcp", netip.AddrPortFrom(lo.IPv4, 443).String())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		_, err = conn.Write(helloTo(t, server))
		n := 0
		if err == nil {
			n, err = conn.Read(make([]byte, 100))
		}
		if passes != (n > 0) {
			t.Errorf("%s: %d bytes, %v, want an answer: %t", server, n, err, passes)
		}
		conn.Close()
	}
	if n := counter(t, "TCPFastOpenPassive"); n == 0 {
		t.Error("no server took data in a SYN")
	}
}

// counter returns a TCP counter of the namespace.
func counter(t *testing.T, name string) int {
	t.Helper()
	b, err := os.ReadFile("/proc/thread-self/net/netstat")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(b), "\n")
	names, values := strings.Fields(lines[0]), strings.Fields(lines[1])
	i := slices.Index(names, name)
	if i < 0 {
		testutil.Lacks(t, testutil.Feature("a counter of "+name), "not in /proc/net/netstat")
	}
	n, err := strconv.Atoi(values[i])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestMultipathOnKernel checks that a client that requests Multipath TCP gets a
// connection without it.
func TestMultipathOnKernel(t *testing.T) {
	testutil.RequireKernel(t)
	addr := testutil.Loopback(t).IPv4
	serve(t, addr)
	var dialer net.Dialer
	dialer.SetMultipathTCP(true)
	multipath := func() bool {
		conn, err := dialer.Dial("tcp", netip.AddrPortFrom(addr, 443).String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		is, err := conn.(*net.TCPConn).MultipathTCP()
		if err != nil {
			t.Fatal(err)
		}
		return is
	}
	if !multipath() {
		testutil.Lacks(t, "Multipath TCP", "the connection is one of TCP")
	}
	testutil.FeedAt(t, netns.Output, netns.Rule{Protocol: netns.TCP, DstPort: 443, Action: netns.Enqueue})
	start(t, "")
	if multipath() {
		t.Error("the connection is one of Multipath TCP")
	}
	if err := shake(t, addr, 1<<20, clientOf("good.example", false), nil); err != nil {
		t.Errorf("handshake = %v, want success", err)
	}
}

// runClient runs another program and returns whether it succeeded.
func runClient(t *testing.T, program string, args ...string) (string, bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	return string(out), err == nil
}

// require skips the test unless the program is installed and has the feature:
// its output for args must contain that name.
func require(t *testing.T, program, feature string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		testutil.Lacks(t, testutil.Program(program), err)
	}
	if out, _ := runClient(t, program, args...); !strings.Contains(out, feature) {
		testutil.Lacks(t, testutil.Program(program), "it has no "+feature)
	}
}

// TestOpenSSL uses the client of OpenSSL, which reports whether it got a
// connection.
func TestOpenSSL(t *testing.T) {
	require(t, "openssl", "-servername", "s_client", "-help")
	feed(t)
	start(t, "-reset 2")
	addr := testutil.Loopback(t).IPv4
	serve(t, addr)
	for _, args := range []string{"-tls1_3", "-tls1_2", "-tls1_3 -groups P-384:P-256", "-split_send_frag 512 -max_send_frag 512"} {
		for server, passes := range map[string]bool{"good.example": true, "bad.example": false, "BAD.EXAMPLE": false} {
			words := append([]string{"s_client", "-connect", addr.String() + ":443", "-servername", server}, strings.Fields(args)...)
			if out, ok := runClient(t, "openssl", words...); ok != passes {
				t.Errorf("openssl %s succeeded: %t, want %t\n%s", strings.Join(words, " "), ok, passes, out)
			}
		}
	}
}

// wantArrival starts a QUIC client that connects to the server, and checks
// whether any of its packets arrive.
func wantArrival(t *testing.T, conn *net.UDPConn, server string, arrives bool, program string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	_ = exec.CommandContext(ctx, program, args...).Run() // fails, because the server does not answer
	_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	n, _, err := conn.ReadFromUDP(make([]byte, 2000))
	if (n > 0) != arrives {
		t.Errorf("%s for %s: %d bytes arrived, %v, want any: %t", program, server, n, err, arrives)
	}
}

func TestCurlQUIC(t *testing.T) {
	require(t, "curl", "HTTP3", "--version")
	feed(t)
	start(t, "")
	addr := testutil.Loopback(t).IPv4
	conn := listenUDP(t, addr)
	for _, server := range []string{"bad.example", "good.example"} {
		wantArrival(t, conn, server, server == "good.example",
			"curl", "--silent", "--http3-only", "--max-time", "2", "--resolve", server+":443:"+addr.String(), "https://"+server+"/")
	}
}

func TestOpenSSLQUIC(t *testing.T) {
	require(t, "openssl", "-quic", "s_client", "-help")
	feed(t)
	start(t, "")
	addr := testutil.Loopback(t).IPv4
	conn := listenUDP(t, addr)
	for _, server := range []string{"bad.example", "good.example"} {
		wantArrival(t, conn, server, server == "good.example",
			"openssl", "s_client", "-quic", "-alpn", "h3", "-connect", addr.String()+":443", "-servername", server)
	}
}

// transfer sends many bytes to the server and back. The kernel of the client
// forms packets of more than 64 KiB from them.
func transfer(t *testing.T, addr netip.Addr) {
	t.Helper()
	conn, err := tls.Dial("tcp", netip.AddrPortFrom(addr, 443).String(), clientOf("other.example", false))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	size := 20 << 20
	if testing.Short() { // the processor is emulated
		size = 1 << 20
	}
	written := make(chan error, 1)
	go func() {
		_, err := conn.Write(make([]byte, size))
		written <- err
	}()
	_, err = io.CopyN(io.Discard, conn, int64(size))
	if err := errors.Join(err, <-written); err != nil {
		t.Error(err)
	}
}

// TestProcess runs the program as a process: it reads lists, reads them again
// after SIGHUP, and prints a summary at the end.
func TestProcess(t *testing.T) {
	feed(t)
	addr := testutil.Loopback(t).IPv4
	serve(t, addr)
	serve(t, testutil.Loopback(t).IPv6)
	list := listFile(t, "||ads.example^\n")
	p := testutil.Start(t, testutil.Build(t), "-v", "-reset", "2", "-list", list)
	p.Stdout.Await(t, " QUIC: judge, ECH: allow, queue 0\n")
	if err := shake(t, addr, 1<<20, clientOf("other.example", false), nil); err != nil {
		t.Errorf("handshake = %v, want success", err)
	}
	p.Stdout.Await(t, `hello    "other.example"`)
	for _, addr := range testutil.Loopback(t).Addrs() {
		transfer(t, addr)
	}
	for _, change := range []struct{ content, says string }{
		{"/[a-z]/\n", "nothing changed: "},
		{"other.example\n.ads.example\n", "sniblock: now 2 names"},
	} {
		if err := os.WriteFile(list, []byte(change.content), 0o600); err != nil {
			t.Fatal(err)
		}
		p.Signal(t, hangup)
		p.Stdout.Await(t, change.says)
	}
	for _, server := range []string{"other.example", "x.ads.example"} {
		if err := shake(t, addr, 1<<20, clientOf(server, false), nil); !isReset(err) {
			t.Errorf("handshake with %s = %v, want a reset", server, err)
		}
		p.Stdout.Await(t, `refused  "`+server+`"`)
	}
	p.Interrupt(t)
	// The numbers of packets and ClientHellos depend on retransmissions.
	p.Stdout.Await(t, " ClientHellos, 0 with an encrypted name; 2 connections refused\n")
	p.Stdout.Await(t, " dropped that servers may ignore\n")
}
