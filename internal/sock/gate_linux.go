package sock

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A gate is an epoll instance between the socket and the poller of the Go
// runtime. If the socket itself were registered with the poller, nearly every
// datagram would wake the poller's thread, even while the reader is busy and
// would find the datagram anyway. The sender of the packet pays for that. So
// the runtime polls the gate, and the gate polls the socket. The reader opens
// the gate before it waits for a datagram, and shuts it while reads succeed
// without waiting.
//
// Every use of the socket goes through hold, so that close can wait until the
// socket is no longer in use. Only the reader may call the other methods,
// except setDeadline.
type gate struct {
	file   *os.File
	rc     syscall.RawConn
	socket int
	isOpen bool
	reads  int // successful reads since the socket was empty
}

// busyReads is the number of successful reads in a row after which the gate is
// closed.
const busyReads = 2

func newGate(socket int) (*gate, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // os.NewFile registers only non-blocking files with the poller
		return nil, errors.Join(os.NewSyscallError("fcntl", err), unix.Close(fd))
	}
	g := &gate{file: os.NewFile(uintptr(fd), "epoll"), socket: socket}
	if g.rc, err = g.file.SyscallConn(); err == nil {
		err = g.control(uintptr(fd), unix.EPOLL_CTL_ADD, 0)
	}
	if err != nil {
		return nil, errors.Join(err, g.close())
	}
	return g, nil
}

func (g *gate) control(fd uintptr, op int, events uint32) error {
	e := unix.EpollEvent{Events: events, Fd: int32(g.socket)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(int(fd), op, g.socket, &e))
}

// hold calls f with the socket's descriptor, which stays open meanwhile. After
// close it returns an error instead.
func (g *gate) hold(f func(socket int)) error {
	return g.rc.Control(func(uintptr) { f(g.socket) })
}

// open makes later datagrams wake the reader. An earlier one may not, so the
// reader must read once more afterwards: a socket that has been on epoll's
// ready list since an earlier wait is not reported again (Linux 6.18,
// fs/eventpoll.c, ep_modify).
func (g *gate) open(fd uintptr) error {
	err := g.control(fd, unix.EPOLL_CTL_MOD, unix.EPOLLIN)
	g.isOpen = err == nil
	return err
}

// passed counts a successful read, and shuts the gate if the reader is busy. If
// that fails, the reader is woken unnecessarily, and tries again.
func (g *gate) passed(fd uintptr) {
	if g.reads++; g.isOpen && g.reads >= busyReads {
		g.isOpen = g.control(fd, unix.EPOLL_CTL_MOD, 0) != nil
	}
}

func (g *gate) setDeadline(t time.Time) error { return g.file.SetReadDeadline(t) }

// close wakes the reader, and returns when no call of hold is running.
func (g *gate) close() error { return g.file.Close() }
