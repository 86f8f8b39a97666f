package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
)

// patience is the longest time that the tests wait for an expected event.
const patience = 20 * time.Second

// start runs the program until the end of the test.
func start(t *testing.T, args string) *testutil.Output {
	t.Helper()
	o, err := parseLine(args + " bad.example .ads.example")
	if err != nil {
		t.Fatal(err)
	}
	var out testutil.Output
	testutil.Background(t, func(ctx context.Context) error { return run(ctx, o, nil, &out) })
	out.Await(t, " QUIC: judge, ECH: allow, queue 0")
	return &out
}

// serve accepts TLS connections and echoes their data until the end of the
// test.
func serve(t *testing.T, addr netip.Addr) {
	t.Helper()
	config := &tls.Config{Certificates: []tls.Certificate{certificate(t)}}
	listener, err := tls.Listen("tcp", netip.AddrPortFrom(addr, 443).String(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				defer context.AfterFunc(t.Context(), func() { conn.Close() })()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// A slicer writes in small pieces. Each becomes a segment, because net.TCPConn
// sets TCP_NODELAY.
type slicer struct {
	net.Conn
	size int
}

func (s slicer) Write(b []byte) (n int, err error) {
	for piece := range slices.Chunk(b, s.size) {
		written, err := s.Conn.Write(piece)
		if n += written; err != nil {
			return n, err
		}
	}
	return n, nil
}

// shake tries a handshake and an echo, and returns the error of the handshake.
// It resets the connection as soon as the program has refused it. A client
// whose segments are dropped would only wait, and after Close its kernel would
// retransmit the segments during the next test.
func shake(t *testing.T, addr netip.Addr, size int, config *tls.Config, out *testutil.Output) error {
	t.Helper()
	conn, err := net.Dial("tcp", netip.AddrPortFrom(addr, 443).String())
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	client := tls.Client(slicer{conn, size}, config)
	defer conn.Close()
	if out != nil {
		done := make(chan struct{})
		defer func() { <-done }()
		go func() {
			defer close(done)
			out.Await(t, conn.LocalAddr().String())
			_ = conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
		}()
	}
	if err := client.Handshake(); err != nil {
		return err
	}
	if _, err := client.Write([]byte("echo")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(client, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	return nil
}

// clientOf returns the configuration of a client. If long is true, its
// ClientHello has more than 8 KiB.
func clientOf(server string, long bool) *tls.Config {
	c := &tls.Config{ServerName: server, InsecureSkipVerify: true}
	if long {
		c.NextProtos = slices.Repeat([]string{strings.Repeat("p", 200)}, 40)
	}
	return c
}

func testNames(t *testing.T, size int, long bool, out *testutil.Output) {
	for _, addr := range testutil.Loopback(t).Addrs() {
		serve(t, addr)
		for _, server := range []string{"bad.example", "BAD.example", "a.ads.example"} {
			if err := shake(t, addr, size, clientOf(server, long), out); !errors.Is(err, net.ErrClosed) {
				t.Errorf("handshake of %v with %s = %v, want none until the connection is closed", addr, server, err)
			}
		}
		for _, server := range []string{"good.example", "a.bad.example", addr.String()} {
			if err := shake(t, addr, size, clientOf(server, false), nil); err != nil {
				t.Errorf("handshake of %v with %s = %v, want success", addr, server, err)
			}
		}
	}
}

func TestDrop(t *testing.T) {
	for _, test := range []struct {
		name string
		size int
		long bool
	}{
		{"whole", 1 << 20, false},
		{"long", 1 << 20, true},
		{"several segments", 700, true},
		{"byte by byte", 1, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			testutil.RequireKernel(t)
			testutil.FeedAt(t, netns.Output, netns.Rule{Protocol: netns.TCP, DstPort: 443, Action: netns.Enqueue})
			testNames(t, test.size, test.long, start(t, ""))
		})
	}
}

func TestMarks(t *testing.T) {
	testutil.RequireKernel(t)
	chain := testutil.FeedAt(t, netns.Output,
		netns.Rule{Mark: netns.MarkIs(1), SaveMark: true},
		netns.Rule{Mark: netns.MarkIs(2), Action: netns.Reset},
		netns.Rule{Protocol: netns.TCP, DstPort: 443, ConnMark: netns.MarkIsNot(1), Action: netns.Enqueue})
	start(t, "-mark 1 -reset 2")
	testResets(t)
	counts, err := chain.Counts()
	// On IPv4 and on IPv6, one connection is reset and another one settled. The
	// rules count more if segments were retransmitted or already queued.
	if err != nil || counts[0] < 2 || counts[1] < 2 {
		t.Errorf("marks were seen %d times, %v, want at least 2 each", counts, err)
	}
}

func testResets(t *testing.T) {
	for _, addr := range testutil.Loopback(t).Addrs() {
		serve(t, addr)
		if err := shake(t, addr, 100, clientOf("good.example", false), nil); err != nil {
			t.Errorf("handshake of %v with good.example = %v, want success", addr, err)
		}
		if err := shake(t, addr, 1<<20, clientOf("bad.example", false), nil); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("handshake of %v with bad.example = %v, want ECONNRESET", addr, err)
		}
	}
}

func TestDocumentedRules(t *testing.T) {
	testutil.FeedAsDocumented(t, "main.go")
	start(t, "-mark 1 -reset 2")
	testResets(t)
}

// TestMarksWithoutRules checks that the program notices rules that ignore its
// marks, and does not repeat packets forever.
func TestMarksWithoutRules(t *testing.T) {
	testutil.RequireKernel(t)
	testutil.FeedAt(t, netns.Output, netns.Rule{Protocol: netns.TCP, DstPort: 443, Action: netns.Enqueue})
	out := start(t, "-mark 1 -reset 2")
	addr := testutil.Loopback(t).IPv4
	serve(t, addr)
	if err := shake(t, addr, 1<<20, clientOf("good.example", false), nil); err != nil {
		t.Errorf("handshake = %v, want success", err)
	}
	out.Await(t, errCameBack.Error())
}
