package testutil

import (
	"errors"
	"os"
	"syscall"
	"testing"
)

// SetMark sets the mark of packets that conn sends. Rules can match it.
func SetMark(t testing.TB, conn syscall.Conn, mark uint32) {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		set = os.NewSyscallError("setsockopt", syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_MARK, int(mark)))
	})
	if err := errors.Join(err, set); err != nil {
		t.Fatal(err)
	}
}

// SendFrame sends a complete Ethernet frame, from its destination address to its
// payload, through the host's link without changes.
func SendFrame(t testing.TB, from Host, frame []byte) {
	t.Helper()
	err := from.NS.Do(func() error {
		fd, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			return os.NewSyscallError("socket", err)
		}
		defer syscall.Close(fd)
		return os.NewSyscallError("sendto", syscall.Sendto(fd, frame, 0, &syscall.SockaddrLinklayer{Ifindex: from.Link.Index}))
	})
	if err != nil {
		t.Fatal(err)
	}
}
