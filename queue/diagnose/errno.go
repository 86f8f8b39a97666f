//go:build !plan9

package diagnose

import "syscall"

type errno = syscall.Errno

const (
	eperm           = syscall.EPERM
	enodev          = syscall.ENODEV
	emsgsize        = syscall.EMSGSIZE
	eprotonosupport = syscall.EPROTONOSUPPORT
	eopnotsupp      = syscall.EOPNOTSUPP
)
