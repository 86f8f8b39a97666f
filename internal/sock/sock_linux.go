package sock

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Host returns the running kernel.
func Host() Kernel { return host{} }

type host struct{}

// ReadFile implements Kernel. It also finds the release where /proc does not
// show it, as with its mount option subset=pid (systemd: ProcSubset=pid): the
// kernel's rules for verdicts depend on it. The file comes first, because uname
// reports another release with the personality UNAME26.
func (host) ReadFile(name string) ([]byte, error) {
	b, err := os.ReadFile(name)
	if err != nil && name == ReleaseFile {
		var u unix.Utsname
		if unix.Uname(&u) == nil {
			return []byte(unix.ByteSliceToString(u.Release[:])), nil
		}
	}
	return b, err
}

func (host) Glob(pattern string) []string {
	names, _ := filepath.Glob(pattern) // fails only for a malformed pattern
	return names
}

// WriteFile implements Kernel. It opens the file without O_CREATE, because it
// is for files of the kernel.
func (host) WriteFile(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// Open implements Kernel. It opens the socket and its status file on one
// thread, because both belong to the network namespace of the thread that opens
// them.
func (host) Open(c Config) (Socket, error) {
	if c.NetNS == 0 {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		return open(c)
	}
	return openIn(c)
}

// openIn opens a socket in another namespace, on another thread.
func openIn(c Config) (Socket, error) {
	done := make(chan opened)
	go openThere(c, done)
	r := <-done
	return r.s, r.err
}

// An opened contains the results of open.
type opened struct {
	s   Socket
	err error
}

// openThere moves its thread into the namespace, opens the socket, and ends the
// thread: when a goroutine that is locked to its thread ends, the runtime ends
// the thread as well. It must not move the first thread, whose namespace
// /proc/self shows. If it runs there, it keeps that thread while another one
// moves.
func openThere(c Config, done chan<- opened) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		defer runtime.UnlockOSThread()
		s, err := openIn(c)
		done <- opened{s, err}
		return
	}
	if err := unix.Setns(c.NetNS, unix.CLONE_NEWNET); err != nil {
		done <- opened{err: fmt.Errorf("%w: %w", ErrNetNS, os.NewSyscallError("setns", err))}
		return
	}
	s, err := open(c)
	done <- opened{s, err}
}

type conn struct {
	file   *os.File // the socket
	gate   *gate
	port   uint32
	here   bool // opened in the caller's network namespace
	closed atomic.Bool

	status statusFile

	recv  receiver
	send  sender
	drops dropsCall
}

var _ Socket = (*conn)(nil)

func open(c Config) (Socket, error) {
	nl, err := dial(c)
	if err != nil {
		return nil, err
	}
	return newConn(nl, c)
}

// newConn makes a Socket from a bound netlink.Conn, which it closes in any
// case.
func newConn(nl *netlink.Conn, c Config) (Socket, error) {
	defer nl.Close()
	if err := setup(nl, c); err != nil {
		return nil, err
	}
	s := &conn{here: c.NetNS == 0}
	if err := s.takeOver(nl); err != nil {
		return nil, errors.Join(err, s.release())
	}
	s.status.init(c.StatusFile)
	s.recv.init(s.gate, c.Port)
	s.send.init(s.gate)
	return s, nil
}

// takeOver duplicates the descriptor of nl. The new one is in blocking mode, so
// that os.NewFile does not register it with the runtime's poller; every call
// passes MSG_DONTWAIT or cannot block.
func (s *conn) takeOver(nl *netlink.Conn) error {
	old, err := nl.SyscallConn()
	if err != nil {
		return err
	}
	if s.port, err = boundPort(old); err != nil {
		return err
	}
	var fd int
	cerr := old.Control(func(from uintptr) {
		if fd, err = unix.FcntlInt(from, unix.F_DUPFD_CLOEXEC, 0); err == nil {
			err = unix.SetNonblock(fd, false)
			s.file = os.NewFile(uintptr(fd), "netlink")
		}
	})
	if err = errors.Join(os.NewSyscallError("fcntl", err), cerr); err != nil {
		return err
	}
	s.gate, err = newGate(fd)
	return err
}

// dial opens and binds a socket. Any local user may bind any port of a netlink
// protocol, so a taken port is normal, and dial tries the next one.
func dial(c Config) (*netlink.Conn, error) {
	if err := loadProtocol(c.Protocol); err != nil {
		return nil, err
	}
	for attempt := range 32 {
		nl, err := netlink.Dial(c.Protocol, &netlink.Config{PID: choosePort(c, attempt), Groups: c.Groups})
		if !errors.Is(err, unix.EADDRINUSE) {
			return nl, err
		}
	}
	return nil, os.NewSyscallError("bind", unix.EADDRINUSE)
}

// loadProtocol makes the kernel load the module of a netlink protocol, which
// may take seconds. netlink.Dial would do so in a raw system call, during which
// no other goroutine runs on the processor.
func loadProtocol(protocol int) error {
	fd, _, errno := unix.Syscall(unix.SYS_SOCKET, unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, uintptr(protocol))
	switch errno {
	case 0:
		return os.NewSyscallError("close", unix.Close(int(fd)))
	case unix.ENOSYS: // 386 and s390x before Linux 4.3, which have it inside socketcall
		return nil
	}
	return os.NewSyscallError("socket", errno)
}

func choosePort(c Config, attempt int) uint32 {
	switch {
	case !c.PositivePort:
		return freshPort()
	case attempt == 0:
		return uint32(os.Getpid())
	}
	return 1 + rand.Uint32N(1<<31-1)
}

// freshPort returns a port that probably no socket has had recently, from the
// range that the kernel uses for the second socket of a process. The kernel's
// choice for the first socket is the process id, again and again. That is a
// problem: the kernel frees a port before it notifies its subsystems of the end
// of the socket. nfnetlink_queue then destroys the queues of that port,
// including one that a new socket with the same port has just bound (Linux
// 6.18, net/netlink/af_netlink.c, netlink_release).
func freshPort() uint32 { return 1<<31 + rand.Uint32N(1<<31-4096) }

func setup(nl *netlink.Conn, c Config) error {
	rc, err := nl.SyscallConn()
	if err != nil {
		return err
	}
	if err := connect(rc, c.Port); err != nil {
		return err
	}
	if c.ReadBuffer > 0 {
		if err := nl.SetReadBuffer(c.ReadBuffer); err != nil {
			return err
		}
	}
	if c.WriteBuffer > 0 {
		if err := nl.SetWriteBuffer(c.WriteBuffer); err != nil {
			return err
		}
	}
	if c.NoENOBUFS {
		err = setIfKnown(nl, netlink.NoENOBUFS)
	}
	if err == nil && c.CapAck {
		err = setIfKnown(nl, netlink.CapAcknowledge)
	}
	return err
}

func setIfKnown(nl *netlink.Conn, o netlink.ConnOption) error {
	if err := nl.SetOption(o, true); !errors.Is(err, unix.ENOPROTOOPT) {
		return err
	}
	return nil
}

// connect sets the peer once, so that datagrams need no address, and makes the
// kernel refuse what other processes send to this socket
// (net/netlink/af_netlink.c, netlink_getsockbyportid, since Linux 2.4).
func connect(rc syscall.RawConn, port uint32) (err error) {
	cerr := rc.Control(func(fd uintptr) {
		err = unix.Connect(int(fd), &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: port})
	})
	if err != nil {
		return os.NewSyscallError("connect", err)
	}
	return cerr
}

func boundPort(rc syscall.RawConn) (port uint32, err error) {
	cerr := rc.Control(func(fd uintptr) {
		var sa unix.Sockaddr
		if sa, err = unix.Getsockname(int(fd)); err == nil {
			port = sa.(*unix.SockaddrNetlink).Pid
		}
	})
	if err != nil {
		return 0, os.NewSyscallError("getsockname", err)
	}
	return port, cerr
}

func (s *conn) Port() uint32 { return s.port }

func (s *conn) ReadBuffer() (n int) {
	_ = s.gate.hold(func(fd int) {
		n, _ = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	})
	return max(n, 0)
}

func (s *conn) Status(b []byte, offset int64) (int, error) {
	if s.closed.Load() {
		return 0, ErrClosed
	}
	n, err := s.status.readAt(b, offset)
	return n, s.closedOr(err)
}

// Drops implements Socket.
func (s *conn) Drops() (uint32, error) {
	n, err := s.drops.ask(s.gate)
	return n, s.closedOr(err)
}

// A dropsCall reads SO_MEMINFO, whose last number is that of the datagrams
// dropped (net/core/sock.c, sk_get_meminfo). It does not allocate.
type dropsCall struct {
	mu    sync.Mutex
	gate  *gate
	info  [9]uint32 // SK_MEMINFO_VARS
	size  uint32
	errno unix.Errno
	call  func(gate uintptr) // getsockopt, bound once
}

func (c *dropsCall) ask(g *gate) (uint32, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.call == nil {
		c.gate, c.call = g, c.getsockopt
	}
	c.size = uint32(unsafe.Sizeof(c.info))
	if err := g.rc.Control(c.call); err != nil {
		return 0, err
	}
	if c.errno != 0 {
		return 0, os.NewSyscallError("getsockopt", c.errno)
	}
	return c.info[8], nil // SK_MEMINFO_DROPS
}

func (c *dropsCall) getsockopt(uintptr) {
	_, _, c.errno = unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(c.gate.socket), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&c.info)), uintptr(unsafe.Pointer(&c.size)), 0)
}

func (s *conn) SetReadDeadline(t time.Time) error {
	return s.closedOr(s.gate.setDeadline(t))
}

func (s *conn) Close() error {
	if s.closed.Swap(true) {
		return ErrClosed
	}
	defer s.recv.pulse.stop()
	return s.release()
}

// release closes everything. It closes the gate first: after that, the socket
// is no longer in use.
func (s *conn) release() (err error) {
	if s.gate != nil {
		err = s.gate.close()
	}
	if s.file != nil {
		err = errors.Join(err, s.file.Close())
	}
	return errors.Join(err, s.status.close())
}

// closedOr returns err, but ErrClosed instead of any error after Close. The
// poller's own errors after Close vary, and match nothing.
func (s *conn) closedOr(err error) error {
	if err != nil && s.closed.Load() {
		return ErrClosed
	}
	return err
}

func (s *conn) Receive(batch []Datagram, idle func() bool) (int, error) {
	if len(batch) == 0 {
		return 0, fmt.Errorf("sock: receive into an empty batch: %w", fs.ErrInvalid)
	}
	n, err := s.recv.receive(batch[:min(len(batch), MaxBatch)], idle)
	return n, s.closedOr(err)
}

func (s *conn) Send(datagrams [][]byte) (int, error) {
	n, err := s.send.send(datagrams[:min(len(datagrams), MaxBatch)])
	return n, s.closedOr(err)
}

func (s *conn) Request(datagrams [][]byte) (int, error) {
	n, err := s.send.request(datagrams[:min(len(datagrams), MaxBatch)])
	return n, s.closedOr(err)
}
