package testutil

import (
	"bytes"
	"testing"
)

func TestUDP(t *testing.T) {
	requireInside(t)
	CheckLeaks(t)
	for _, p := range paths(t) {
		t.Run(p.name, func(t *testing.T) {
			client, server := UDP(t, p.from, p.to, p.addr)
			for _, size := range []int{0, 1, 1400, 9000} {
				EchoUDP(t, client, server, bytes.Repeat([]byte{byte(size)}, size))
			}
		})
	}
}

func TestEchoUDPComparesPayload(t *testing.T) {
	requireInside(t)
	lo := Loopback(t)
	client, server := UDP(t, lo.NS, lo.NS, lo.IPv4)
	if _, err := client.Write([]byte("another")); err != nil {
		t.Fatal(err)
	}
	f := fake(func(t testing.TB) { EchoUDP(t, client, server, []byte("payload")) })
	if len(f.failures) != 1 {
		t.Errorf("failures %q, want one", f.failures)
	}
}
