//go:build linux

package main

import (
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// readBuffer returns the size of the receive buffer that the kernel granted, in
// bytes as the kernel counts them.
func readBuffer(c *netlink.Conn) (n int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		n, failed = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
	})
	if err == nil {
		err = failed
	}
	return n, err
}
