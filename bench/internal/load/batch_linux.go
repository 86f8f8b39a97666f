package load

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batchSize is how many messages a batch sends with one call.
const batchSize = 64

// segments has the kernel make datagrams of size bytes of the messages that conn
// sends. It reports whether the kernel can.
func segments(conn syscall.Conn, size int) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	cerr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, size)
	})
	return err == nil && cerr == nil
}

// A batch sends the same payload many times with one sendmmsg (Linux 3.0).
type batch struct {
	raw     syscall.RawConn
	iov     unix.Iovec
	headers [batchSize]header
	sent    int
	errno   syscall.Errno
	try     func(fd uintptr) // b.trySend, bound once
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

// breather is how long a flood waits for room in its send buffer. The kernel
// itself would tell no sooner than when the buffer is half empty, and the runtime
// sleeps for a millisecond at least: in either case the queue would swing between
// full and half full or empty.
var breather = unix.NsecToTimespec(50_000)

// send sends as many messages as there is room for in the send buffer, at most
// batchSize, and returns how many. If there was no room it has waited a little.
func (b *batch) send() (int, error) {
	b.sent, b.errno = 0, 0
	err := b.raw.Control(b.try)
	if b.sent == 0 {
		_ = unix.Nanosleep(&breather, nil)
	}
	if err == nil && b.errno != 0 {
		err = os.NewSyscallError("sendmmsg", b.errno)
	}
	return b.sent, err
}

// trySend finds no room with EAGAIN, on a raw socket with ENOBUFS
// (net/ipv4/ip_output.c, __ip_append_data).
func (b *batch) trySend(fd uintptr) {
	for {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, fd,
			uintptr(unsafe.Pointer(&b.headers)), batchSize, unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case unix.EINTR:
			continue
		case unix.EAGAIN, unix.ENOBUFS:
		case 0:
			b.sent = int(n)
		default:
			b.errno = errno
		}
		return
	}
}
