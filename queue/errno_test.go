//go:build !plan9

package queue_test

import "syscall"

// The error numbers of the kernel.
const (
	eperm           = syscall.EPERM
	enoent          = syscall.ENOENT
	eio             = syscall.EIO
	eagain          = syscall.EAGAIN
	enomem          = syscall.ENOMEM
	ebusy           = syscall.EBUSY
	enodev          = syscall.ENODEV
	einval          = syscall.EINVAL
	emsgsize        = syscall.EMSGSIZE
	eprotonosupport = syscall.EPROTONOSUPPORT
	eopnotsupp      = syscall.EOPNOTSUPP
	enobufs         = syscall.ENOBUFS
	econnrefused    = syscall.ECONNREFUSED
)
