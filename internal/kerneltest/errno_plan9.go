package kerneltest

import "strconv"

// An Errno is an error number of Linux: Plan 9 has none.
type Errno uintptr

func (e Errno) Error() string { return "errno " + strconv.Itoa(int(e)) }

const (
	errPerm         Errno = 1
	errNoEnt        Errno = 2
	errBusy         Errno = 16
	errExist        Errno = 17
	errNoDev        Errno = 19
	errInval        Errno = 22
	errNoSpc        Errno = 28
	errRange        Errno = 34
	errNoData       Errno = 61
	errComm         Errno = 70
	errMsgSize      Errno = 90
	errNoProtocol   Errno = 93
	errOpNotSupp    Errno = 95
	errAddrInUse    Errno = 98
	errNoBufs       Errno = 105
	errConnRefused  Errno = 111
	errNotSupported Errno = 524
)
