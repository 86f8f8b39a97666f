//go:build !plan9

package kerneltest

import "syscall"

// An Errno is an error number. On the wire and in errors it has the value of
// the system that runs the program, as in a real kernel.
type Errno = syscall.Errno

const (
	errPerm         = syscall.EPERM
	errNoEnt        = syscall.ENOENT
	errBusy         = syscall.EBUSY
	errExist        = syscall.EEXIST
	errNoDev        = syscall.ENODEV
	errInval        = syscall.EINVAL
	errNoSpc        = syscall.ENOSPC
	errRange        = syscall.ERANGE
	errMsgSize      = syscall.EMSGSIZE
	errNoProtocol   = syscall.EPROTONOSUPPORT
	errOpNotSupp    = syscall.EOPNOTSUPP
	errAddrInUse    = syscall.EADDRINUSE
	errNoBufs       = syscall.ENOBUFS
	errConnRefused  = syscall.ECONNREFUSED
	errNoData       = Errno(61)  // ENODATA, which not every system has
	errComm         = Errno(70)  // ECOMM, which only Linux has
	errNotSupported = Errno(524) // ENOTSUPP, which user space has no name for
)
