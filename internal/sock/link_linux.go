package sock

import (
	"errors"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// LinkName implements Socket with SIOCGIFNAME. Since Linux 4.13, a netlink
// socket answers it for its own network namespace (net/netlink/af_netlink.c,
// netlink_ioctl). On older kernels LinkName looks in the caller's namespace, if
// the socket was opened there.
func (s *conn) LinkName(index uint32) (string, error) {
	name, err := s.linkName(index)
	if errors.Is(err, unix.EOPNOTSUPP) && s.here {
		device, err := net.InterfaceByIndex(int(index))
		if err != nil {
			return "", err
		}
		return device.Name, nil
	}
	return name, s.closedOr(err)
}

func (s *conn) linkName(index uint32) (string, error) {
	request, err := unix.NewIfreq("")
	if err != nil {
		return "", err
	}
	request.SetUint32(index)
	cerr := s.gate.hold(func(fd int) {
		err = unix.IoctlIfreq(fd, unix.SIOCGIFNAME, request)
	})
	if err != nil {
		return "", os.NewSyscallError("ioctl", err)
	}
	return request.Name(), cerr
}

// Links implements Socket. It opens the socket in the namespace that SIOCGSKNS
// returns. If the thread is in another namespace, it must enter that one, which
// requires more privilege.
func (s *conn) Links() (Socket, error) {
	ns, err := s.namespace()
	if err != nil {
		return nil, s.closedOr(err)
	}
	defer unix.Close(ns)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c := Config{Protocol: unix.NETLINK_ROUTE, Groups: unix.RTMGRP_LINK}
	if !inside(ns) {
		c.NetNS = ns
	}
	return host{}.Open(c)
}

// namespace returns a new descriptor of the socket's network namespace (Linux
// 4.9, net/socket.c, sock_ioctl).
func (s *conn) namespace() (ns int, err error) {
	cerr := s.gate.hold(func(fd int) {
		ns, err = unix.IoctlRetInt(fd, unix.SIOCGSKNS)
	})
	if err != nil {
		return 0, os.NewSyscallError("ioctl", err)
	}
	return ns, cerr
}

// inside reports whether the calling thread is in the namespace.
func inside(ns int) bool {
	var here, there unix.Stat_t
	if unix.Stat("/proc/thread-self/ns/net", &here) != nil || unix.Fstat(ns, &there) != nil {
		return false
	}
	return here.Dev == there.Dev && here.Ino == there.Ino
}
