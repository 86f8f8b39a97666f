package kerneltest

import (
	"errors"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/internal/testutil"
)

// listen puts k behind a real socket, and opens another one that reaches it.
func listen(t *testing.T, k *Kernel, protocol int) (*UserSocket, sock.Socket) {
	t.Helper()
	u, err := k.ListenUser(protocol)
	if errors.Is(err, errNoProtocol) {
		testutil.Lacks(t, "NETLINK_USERSOCK", err)
	}
	if err != nil {
		t.Fatalf("ListenUser: %v", err)
	}
	t.Cleanup(func() { _ = u.Close() })
	s, err := sock.Host().Open(sock.Config{Protocol: protoUserSock, Port: u.Port(), PositivePort: true})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatalf("SetReadDeadline: %v", err)
	}
	return u, s
}

// exchange sends a request and returns the errno of the reply.
func exchange(t *testing.T, s sock.Socket, o byteOrder, b []byte) Errno {
	t.Helper()
	if _, err := s.Send([][]byte{b}); err != nil {
		t.Fatalf("Send: %v", err)
	}
	reply := next(t, s)
	if kind := o.Uint16(reply[4:]); kind != typeError {
		t.Fatalf("reply has type %d", kind)
	}
	return Errno(-int32(o.Uint32(reply[headerLen:])))
}

func next(t *testing.T, s sock.Socket) []byte {
	t.Helper()
	batch := []sock.Datagram{{Buf: make([]byte, 1<<17)}}
	if n, err := s.Receive(batch, nil); n != 1 || err != nil {
		t.Fatalf("Receive = %d, %v", n, err)
	}
	return batch[0].Buf[:batch[0].N]
}

// TestUserSocket replaces a packet of ip_queue over real netlink sockets, at
// each length modulo 4.
func TestUserSocket(t *testing.T) {
	k := New(Options{Modules: IPQueue})
	u, s := listen(t, k, sock.ProtoFirewall)
	a := k.opts.Layout.abi()
	if errno := exchange(t, s, a.order, ipqRequest(a, ipqmMode, s.Port(), ipqModeBody(a, ipqCopyPacket, 0))); errno != 0 {
		t.Fatalf("mode: %v", errno)
	}
	for n := range 4 {
		j := k.Inject(Packet{Payload: ipv4("before")})
		id := a.readLong(next(t, s)[headerLen:])
		payload := ipv4("afterwards"[:n])
		if errno := exchange(t, s, a.order, ipqRequest(a, ipqmVerdict, s.Port(), ipqVerdictBody(a, verdictAccept, id, payload))); errno != 0 {
			t.Fatalf("verdict: %v", errno)
		}
		if r := j.Result(); string(r.Packet.Payload) != string(payload) {
			t.Errorf("left as %x, want %x", r.Packet.Payload, payload)
		}
	}
	j := k.Inject(Packet{Payload: ipv4("")})
	u.Released(s.Port())
	wantFate(t, j, Flushed)
}

// TestUserSocketGone delivers to a port whose socket was closed.
func TestUserSocketGone(t *testing.T) {
	k := New(Options{})
	_, s := listen(t, k, sock.ProtoNetfilter)
	if errno := exchange(t, s, native, nfqRequest(nfqConfig, 0, bindAttr(), modeAttr(nfqCopyMeta, 0))); errno != 0 {
		t.Fatalf("bind: %v", errno)
	}
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	wantFate(t, k.Inject(Packet{Payload: ipv4("")}), Undelivered)
}
