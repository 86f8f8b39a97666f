//go:build !plan9

package queue

import "syscall"

// An errno is an error number of the kernel.
type errno = syscall.Errno

const (
	eperm           = syscall.EPERM
	enoent          = syscall.ENOENT
	eagain          = syscall.EAGAIN
	enomem          = syscall.ENOMEM
	ebusy           = syscall.EBUSY
	eexist          = syscall.EEXIST
	ebadf           = syscall.EBADF
	emfile          = syscall.EMFILE
	enfile          = syscall.ENFILE
	eaddrinuse      = syscall.EADDRINUSE
	eafnosupport    = syscall.EAFNOSUPPORT
	enodev          = syscall.ENODEV
	einval          = syscall.EINVAL
	emsgsize        = syscall.EMSGSIZE
	eprotonosupport = syscall.EPROTONOSUPPORT
	eopnotsupp      = syscall.EOPNOTSUPP
	enobufs         = syscall.ENOBUFS
	econnrefused    = syscall.ECONNREFUSED
)
