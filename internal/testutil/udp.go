package testutil

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/netns"
)

// UDP returns a server socket at addr, an address in namespace to, and a client socket
// in namespace from that is connected to it. The kernel chooses the port of the server.
// Both sockets are closed at the end of the test.
func UDP(t testing.TB, from, to *netns.Namespace, addr netip.Addr) (client, server *net.UDPConn) {
	t.Helper()
	err := to.Do(func() (err error) {
		server, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	err = from.Do(func() (err error) {
		client, err = net.DialUDP("udp", nil, server.LocalAddr().(*net.UDPAddr))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client, server
}

// Receive returns the payload of the next datagram.
func Receive(t testing.TB, conn *net.UDPConn) []byte {
	t.Helper()
	b, _ := receiveFrom(t, conn)
	return b
}

// EchoUDP sends payload to the server and back, and fails the test if it arrives
// changed, or if another datagram arrives first.
func EchoUDP(t testing.TB, client, server *net.UDPConn, payload []byte) {
	t.Helper()
	if _, err := client.Write(payload); err != nil {
		t.Fatal(err)
	}
	got, from := receiveFrom(t, server)
	samePayload(t, "server", got, payload)
	if _, err := server.WriteToUDPAddrPort(got, from); err != nil {
		t.Fatal(err)
	}
	samePayload(t, "client", Receive(t, client), payload)
}

func receiveFrom(t testing.TB, conn *net.UDPConn) ([]byte, netip.AddrPort) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 64<<10)
	n, from, err := conn.ReadFromUDPAddrPort(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n], from
}

func samePayload(t testing.TB, who string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Fatalf("%s received %d bytes %.60q, want %d bytes %.60q", who, len(got), got, len(want), want)
	}
}
