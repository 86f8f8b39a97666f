package testutil

import (
	"bytes"
	"testing"
)

func TestTCP(t *testing.T) {
	requireInside(t)
	CheckLeaks(t)
	for _, p := range paths(t) {
		t.Run(p.name, func(t *testing.T) {
			client, server := TCP(t, p.from, p.to, p.addr)
			// More than the sockets' buffers hold.
			EchoTCP(t, client, server, bytes.Repeat([]byte("0123456789abcdef"), 1<<20))
		})
	}
}

func TestEchoTCPComparesPayload(t *testing.T) {
	requireInside(t)
	lo := Loopback(t)
	client, server := TCP(t, lo.NS, lo.NS, lo.IPv4)
	if _, err := client.Write([]byte("another")); err != nil {
		t.Fatal(err)
	}
	f := fake(func(t testing.TB) { EchoTCP(t, client, server, []byte("payload")) })
	if len(f.failures) != 1 {
		t.Errorf("failures %q, want one", f.failures)
	}
}

func TestEchoTCPReportsEnd(t *testing.T) {
	requireInside(t)
	lo := Loopback(t)
	client, server := TCP(t, lo.NS, lo.NS, lo.IPv4)
	if err := server.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	f := fake(func(t testing.TB) { EchoTCP(t, client, server, []byte("payload")) })
	if len(f.failures) != 1 {
		t.Errorf("failures %q, want one", f.failures)
	}
}
