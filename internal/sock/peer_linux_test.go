package sock

import (
	"bytes"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// protoUserSock is NETLINK_USERSOCK, which carries datagrams between any two
// sockets of user space.
const protoUserSock = 2

// A peer stands for the kernel: a plain socket to which the one under test is
// open.
type peer struct {
	fd   int
	port uint32
	sock *conn
}

// newPeer returns a peer and the socket under test, which c configures further.
func newPeer(t testing.TB, c Config) *peer {
	t.Helper()
	p := &peer{}
	p.fd, p.port = userSocket(t, 0)
	c.Protocol, c.Port = protoUserSock, p.port
	p.sock = openSocket(t, c)
	return p
}

// userSocket returns a netlink socket bound to port, 0 for one that the kernel
// chooses.
func userSocket(t testing.TB, port uint32) (fd int, bound uint32) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protoUserSock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: port}); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fd, name.(*unix.SockaddrNetlink).Pid
}

func openSocket(t testing.TB, c Config) *conn {
	t.Helper()
	s, err := Host().Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s.(*conn)
}

// send sends datagrams to the socket under test.
func (p *peer) send(t testing.TB, datagrams ...[]byte) {
	t.Helper()
	for _, d := range datagrams {
		if err := sendTo(p.fd, p.sock.Port(), d); err != nil {
			t.Fatal(err)
		}
	}
}

func sendTo(fd int, port uint32, d []byte) error {
	return unix.Sendto(fd, d, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: port})
}

func (p *peer) dup(t testing.TB) int {
	t.Helper()
	fd, err := unix.FcntlInt(uintptr(p.fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// sendRaw sends a byte without telling the runtime of the system call.
func (p *peer) sendRaw(t testing.TB) {
	to := unix.RawSockaddrNetlink{Family: unix.AF_NETLINK, Pid: p.sock.Port()}
	_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(p.fd), uintptr(unsafe.Pointer(&[]byte{1}[0])), 1, 0,
		uintptr(unsafe.Pointer(&to)), uintptr(sizeofSockaddrNetlink))
	if errno != 0 {
		t.Error(errno)
	}
}

// wantReceived checks that the peer has received exactly these datagrams.
func (p *peer) wantReceived(t testing.TB, want ...[]byte) {
	t.Helper()
	b := make([]byte, 1<<17)
	for i, w := range want {
		n, from, err := unix.Recvfrom(p.fd, b, unix.MSG_DONTWAIT)
		if err != nil {
			t.Fatalf("peer received %d datagrams, then %v, want %d", i, err, len(want))
		}
		if !bytes.Equal(b[:n], w) {
			t.Errorf("peer received %d bytes as datagram %d, want %d equal ones", n, i, len(w))
		}
		if got := from.(*unix.SockaddrNetlink).Pid; got != p.sock.Port() {
			t.Errorf("datagram %d came from port %d, want Port() = %d", i, got, p.sock.Port())
		}
	}
	if n, _, err := unix.Recvfrom(p.fd, b, unix.MSG_DONTWAIT); err != unix.EAGAIN {
		t.Errorf("peer received one more datagram: %d bytes, %v", n, err)
	}
}

// pattern is n bytes that no other pattern begins with.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(n + 7*i)
	}
	return b
}

// newBatch returns slots with buffers of size bytes.
func newBatch(slots, size int) []Datagram {
	batch := make([]Datagram, slots)
	for i := range batch {
		batch[i].Buf = make([]byte, size)
	}
	return batch
}
