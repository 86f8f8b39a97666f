package load

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batchSize is how many packets a batch sends with one call.
const batchSize = 64

// A batch sends the same payload many times with one sendmmsg (Linux 3.0).
type batch struct {
	raw     syscall.RawConn
	iov     unix.Iovec
	headers [batchSize]header
	sent    int
	errno   syscall.Errno
	try     func(fd uintptr) bool
}

// A header is struct mmsghdr.
type header struct {
	hdr unix.Msghdr
	_   uint32 // bytes sent of this one
}

func newBatch(conn syscall.Conn, payload []byte) (*batch, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	b := &batch{raw: raw}
	b.iov.Base = unsafe.SliceData(payload)
	b.iov.SetLen(len(payload))
	for i := range b.headers {
		b.headers[i].hdr.Iov = &b.iov
		b.headers[i].hdr.SetIovlen(1)
	}
	b.try = b.trySend
	return b, nil
}

// send waits until some packets can be sent and returns how many were.
func (b *batch) send() (int, error) {
	b.sent, b.errno = 0, 0
	err := b.raw.Write(b.try)
	if err == nil && b.errno != 0 {
		err = os.NewSyscallError("sendmmsg", b.errno)
	}
	return b.sent, err
}

// trySend returns false to be called again when the socket is writable. A raw
// socket says ENOBUFS where others say EAGAIN (net/ipv4/ip_output.c,
// __ip_append_data).
func (b *batch) trySend(fd uintptr) bool {
	for {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, fd,
			uintptr(unsafe.Pointer(&b.headers)), batchSize, unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case unix.EAGAIN, unix.ENOBUFS:
			return false
		case unix.EINTR:
			continue
		case 0:
			b.sent = int(n)
		default:
			b.errno = errno
		}
		return true
	}
}
