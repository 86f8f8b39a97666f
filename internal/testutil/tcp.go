package testutil

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/netns"
)

// TCP returns both ends of a connection from namespace from to addr, an address in
// namespace to. The packets of the handshake pass through the existing rules. Both ends
// are closed at the end of the test.
func TCP(t testing.TB, from, to *netns.Namespace, addr netip.Addr) (client, server *net.TCPConn) {
	t.Helper()
	listener := listenTCP(t, to, addr)
	defer listener.Close()
	err := from.Do(func() error {
		dialer := net.Dialer{Timeout: patience}
		conn, err := dialer.Dial("tcp", listener.Addr().String())
		if err == nil {
			client = conn.(*net.TCPConn)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	if server, err = listener.AcceptTCP(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return client, server
}

func listenTCP(t testing.TB, n *netns.Namespace, addr netip.Addr) (listener *net.TCPListener) {
	t.Helper()
	err := n.Do(func() (err error) {
		listener, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// EchoTCP sends payload to the server and back, and fails the test if it arrives
// changed. payload may be larger than the sockets' buffers.
func EchoTCP(t testing.TB, client, server *net.TCPConn, payload []byte) {
	t.Helper()
	samePayload(t, "server", transfer(t, client, server, payload), payload)
	samePayload(t, "client", transfer(t, server, client, payload), payload)
}

// transfer writes payload to one end and returns as many bytes from the other.
func transfer(t testing.TB, from, to *net.TCPConn, payload []byte) []byte {
	t.Helper()
	deadline := time.Now().Add(patience)
	from.SetWriteDeadline(deadline)
	to.SetReadDeadline(deadline)
	sent := make(chan error, 1)
	go func() {
		_, err := from.Write(payload)
		sent <- err
	}()
	got := make([]byte, len(payload))
	n, err := io.ReadFull(to, got)
	if err != nil {
		t.Fatalf("after %d of %d bytes: %v", n, len(payload), err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	return got
}
