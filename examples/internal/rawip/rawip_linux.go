package rawip

import (
	"errors"
	"net/netip"
	"os"
	"syscall"
)

func open(mark uint32) (*Socket, error) { return openWith(mark, rawSocket) }

// openWith opens the socket of each IP version. One of them may be missing: a
// kernel can be without IPv6, and a service can be kept from using it.
func openWith(mark uint32, socket func(family int, mark uint32) (int, error)) (*Socket, error) {
	four, err4 := socket(syscall.AF_INET, mark)
	if err4 != nil && !errors.Is(err4, syscall.EAFNOSUPPORT) {
		return nil, err4
	}
	six, err6 := socket(syscall.AF_INET6, mark)
	switch {
	case err6 == nil:
		return &Socket{four, six}, nil
	case err4 == nil && errors.Is(err6, syscall.EAFNOSUPPORT):
		return &Socket{four, missing}, nil
	case err4 == nil:
		_ = syscall.Close(four)
	}
	return nil, err6
}

// missing stands for the socket of an IP version that the system lacks.
const missing = -1

// rawSocket returns a socket of protocol IPPROTO_RAW, which means that packets
// come with their header (raw(7); net/ipv6/raw.c, rawv6_init_sk), and that none
// are received.
func rawSocket(family int, mark uint32) (int, error) {
	fd, err := syscall.Socket(family, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.IPPROTO_RAW)
	if err != nil {
		return missing, os.NewSyscallError("socket", err)
	}
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_MARK, int(mark)); err != nil {
		_ = syscall.Close(fd)
		return missing, os.NewSyscallError("setsockopt", err)
	}
	return fd, nil
}

func (s *Socket) send(packet []byte, to netip.Addr) error {
	if to.Is4() {
		return send(s.four, packet, &syscall.SockaddrInet4{Addr: to.As4()})
	}
	return send(s.six, packet, &syscall.SockaddrInet6{Addr: to.As16()})
}

func send(fd int, packet []byte, to syscall.Sockaddr) error {
	if fd == missing {
		return os.NewSyscallError("sendto", syscall.EAFNOSUPPORT)
	}
	return os.NewSyscallError("sendto", syscall.Sendto(fd, packet, syscall.MSG_DONTWAIT, to))
}

func (s *Socket) close() (err error) {
	for _, fd := range []int{s.four, s.six} {
		if fd != missing {
			err = errors.Join(err, os.NewSyscallError("close", syscall.Close(fd)))
		}
	}
	return err
}
