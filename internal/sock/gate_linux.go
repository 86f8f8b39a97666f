package sock

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A gate stands between a socket and the runtime's poller. Registered there
// itself, the socket would wake the poller's thread for nearly every datagram,
// also while the reader is busy and finds them without being told; and it is
// the sender of a packet who does the waking. The gate is an epoll instance,
// registered in the socket's place, that the reader opens before it waits and
// shuts when it finds some without waiting.
//
// Whoever uses the socket holds the gate, so that close can wait for all of
// them. The other methods but setDeadline are the reader's.
type gate struct {
	file   *os.File
	rc     syscall.RawConn
	socket int
	isOpen bool
	reads  int // since the socket was empty
}

// busyReads is how many reads in a row that find something show that waking is
// not needed just now.
const busyReads = 2

func newGate(socket int) (*gate, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // what os.NewFile knows a file to poll by
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

// open has datagrams wake the reader, from now on. One that came before may
// not, and must be looked for once more: a socket that is on the ready list
// since an earlier wait is not told of again (Linux 6.18, fs/eventpoll.c,
// ep_modify).
func (g *gate) open(fd uintptr) error {
	err := g.control(fd, unix.EPOLL_CTL_MOD, unix.EPOLLIN)
	g.isOpen = err == nil
	return err
}

// passed counts a read that found something, and shuts the gate of a reader
// that is busy. If that fails it is woken for nothing, and tries again.
func (g *gate) passed(fd uintptr) {
	if g.reads++; g.isOpen && g.reads >= busyReads {
		g.isOpen = g.control(fd, unix.EPOLL_CTL_MOD, 0) != nil
	}
}

func (g *gate) setDeadline(t time.Time) error { return g.file.SetReadDeadline(t) }

// close wakes the reader, and returns when nobody holds the gate.
func (g *gate) close() error { return g.file.Close() }
