package load

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ipqueue/ipqueue/bench/internal/sys"
)

// chunk is the number of bytes that a stream writes or reads with one call.
const chunk = 256 << 10

// stream sends as much as it can from the namespace of this process to the peer's.
func stream(ctx context.Context, peer *os.File, m *Meter) error {
	client, server, err := connect(ctx, peer)
	if err != nil {
		return unlessEnded(ctx, err)
	}
	defer client.Close()
	defer server.Close()
	defer stopOn(ctx, client, server)()
	failed := make(chan error, 1)
	go func() { failed <- unlessEnded(ctx, discard(server, m)) }()
	err = unlessEnded(ctx, feed(client))
	return errors.Join(err, <-failed)
}

// connect returns both ends of a connection. Close resets the connection, so that
// no packets of it remain for the next row.
func connect(ctx context.Context, peer *os.File) (client, server *net.TCPConn, err error) {
	listener, err := listenIn(peer)
	if err != nil {
		return nil, nil, err
	}
	defer listener.Close()
	dialer := net.Dialer{Timeout: 10 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp4", listener.Addr().String())
	if err != nil {
		return nil, nil, err
	}
	client = conn.(*net.TCPConn)
	if server, err = listener.AcceptTCP(); err != nil {
		client.Close()
		return nil, nil, err
	}
	return client, server, errors.Join(client.SetLinger(0), server.SetLinger(0))
}

// listenIn listens in a namespace. It enters it in a goroutine that never unlocks its
// thread, so the thread ends with the goroutine.
func listenIn(namespace *os.File) (*net.TCPListener, error) {
	type result struct {
		listener net.Listener
		err      error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread()
		var r result
		if r.err = sys.EnterNamespace(namespace); r.err == nil {
			r.listener, r.err = net.Listen("tcp4", net.JoinHostPort(Peer, strconv.Itoa(StreamPort)))
		}
		done <- r
	}()
	r := <-done
	if r.err != nil {
		return nil, r.err
	}
	return r.listener.(*net.TCPListener), nil
}

func feed(conn *net.TCPConn) error {
	b := make([]byte, chunk)
	for {
		if _, err := conn.Write(b); err != nil {
			return err
		}
	}
}

// discard counts the bytes that arrive. With MSG_TRUNC the kernel does not copy them
// (tcp(7), Linux 2.4).
func discard(conn *net.TCPConn, m *Meter) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	b := make([]byte, chunk)
	for {
		var n int
		var errno error
		err := raw.Read(func(fd uintptr) bool {
			n, _, _, _, errno = unix.Recvmsg(int(fd), b, nil, unix.MSG_TRUNC|unix.MSG_DONTWAIT)
			return errno != unix.EAGAIN
		})
		if err = errors.Join(err, os.NewSyscallError("recvmsg", errno)); err != nil && errno != unix.EINTR {
			return err
		}
		m.bytes.Add(uint64(max(n, 0)))
	}
}
