package kerneltest

import (
	"os"
	"syscall"
)

const (
	protoUserSock = 2       // NETLINK_USERSOCK: for user space, no privilege needed
	userReadSize  = 1 << 18 // more than any datagram of the library
)

// A UserSocket puts the kernel side of one protocol behind a real netlink socket of
// protocol 2 (NETLINK_USERSOCK). Other sockets of that protocol reach it at Port.
// The simulated kernel does not notice when such a socket is closed: the test must
// call Released.
type UserSocket struct {
	k        *Kernel
	protocol int
	port     uint32
	file     *os.File
	conn     syscall.RawConn
	done     chan struct{}
}

// ListenUser starts a UserSocket for protocol, one of sock.Proto. It serves
// until Close.
func (k *Kernel) ListenUser(protocol int) (*UserSocket, error) {
	fd, port, err := bindUser()
	if err != nil {
		return nil, err
	}
	u := &UserSocket{k: k, protocol: protocol, port: port, done: make(chan struct{})}
	u.file = os.NewFile(uintptr(fd), "netlink")
	if u.conn, err = u.file.SyscallConn(); err != nil {
		_ = u.file.Close()
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.relays[protocol] = u.send
	go u.serve()
	return u, nil
}

func bindUser() (fd int, port uint32, err error) {
	const kind = syscall.SOCK_RAW | syscall.SOCK_CLOEXEC | syscall.SOCK_NONBLOCK
	fd, err = syscall.Socket(syscall.AF_NETLINK, kind, protoUserSock)
	if err != nil {
		return 0, 0, os.NewSyscallError("socket", err)
	}
	defer func() {
		if err != nil {
			_ = syscall.Close(fd)
		}
	}()
	if err = syscall.Bind(fd, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return 0, 0, os.NewSyscallError("bind", err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		return 0, 0, os.NewSyscallError("getsockname", err)
	}
	return fd, name.(*syscall.SockaddrNetlink).Pid, nil
}

// Port is the netlink port to send to.
func (u *UserSocket) Port() uint32 { return u.port }

// Released informs the simulated kernel that the socket bound to port was closed.
func (u *UserSocket) Released(port uint32) {
	u.k.mu.Lock()
	defer u.k.mu.Unlock()
	if m := u.k.modules[u.protocol]; m != nil {
		m.released(port)
	}
}

// Close closes the socket and waits until its goroutine has ended.
func (u *UserSocket) Close() error {
	u.k.mu.Lock()
	delete(u.k.relays, u.protocol)
	u.k.mu.Unlock()
	err := u.file.Close()
	<-u.done
	return err
}

func (u *UserSocket) serve() {
	defer close(u.done)
	b := make([]byte, userReadSize)
	for {
		n, port, err := u.read(b)
		switch {
		case err == nil:
			u.handle(port, b[:n])
		case err != syscall.ENOBUFS && err != syscall.EINTR:
			return
		}
	}
}

// read waits for one datagram.
func (u *UserSocket) read(b []byte) (n int, port uint32, err error) {
	rerr := u.conn.Read(func(fd uintptr) bool {
		var from syscall.Sockaddr
		n, from, err = syscall.Recvfrom(int(fd), b, 0)
		if a, ok := from.(*syscall.SockaddrNetlink); ok {
			port = a.Pid
		}
		return err != syscall.EAGAIN
	})
	if rerr != nil {
		err = rerr
	}
	return n, port, err
}

func (u *UserSocket) handle(port uint32, b []byte) {
	u.k.mu.Lock()
	defer u.k.mu.Unlock()
	// The real kernel would report a missing module to the sender immediately;
	// this socket cannot.
	_ = u.k.receive(u.protocol, sender{port: port, privileged: u.k.privileged}, b)
}

// send is the relay of the kernel. It does not wait if the receiver has no room.
func (u *UserSocket) send(port uint32, b []byte) bool {
	var err error
	werr := u.conn.Write(func(fd uintptr) bool {
		to := &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK, Pid: port}
		err = syscall.Sendto(int(fd), b, syscall.MSG_DONTWAIT, to)
		return true
	})
	return werr == nil && err == nil
}
