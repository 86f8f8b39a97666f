package rawip

import (
	"errors"
	"net/netip"
	"os"
	"syscall"
)

func open(mark uint32) (*Socket, error) {
	four, err := rawSocket(syscall.AF_INET, mark)
	if err != nil {
		return nil, err
	}
	six, err := rawSocket(syscall.AF_INET6, mark)
	if err != nil {
		_ = syscall.Close(four)
		return nil, err
	}
	return &Socket{four, six}, nil
}

// rawSocket returns a socket of protocol IPPROTO_RAW, which means that packets
// come with their header (raw(7); net/ipv6/raw.c, rawv6_init_sk), and that none
// are received.
func rawSocket(family int, mark uint32) (int, error) {
	fd, err := syscall.Socket(family, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.IPPROTO_RAW)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_MARK, int(mark)); err != nil {
		_ = syscall.Close(fd)
		return -1, os.NewSyscallError("setsockopt", err)
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
	return os.NewSyscallError("sendto", syscall.Sendto(fd, packet, syscall.MSG_DONTWAIT, to))
}

func (s *Socket) close() error {
	return os.NewSyscallError("close", errors.Join(syscall.Close(s.four), syscall.Close(s.six)))
}
