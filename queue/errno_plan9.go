package queue

import "strconv"

// An errno stands for the error numbers that Plan 9 does not have. No kernel
// sends them there.
type errno uint

func (e errno) Error() string { return "errno " + strconv.Itoa(int(e)) }

const (
	eperm           = errno(1)
	enoent          = errno(2)
	eagain          = errno(11)
	enomem          = errno(12)
	ebusy           = errno(16)
	eexist          = errno(17)
	ebadf           = errno(9)
	enfile          = errno(23)
	emfile          = errno(24)
	eafnosupport    = errno(97)
	eaddrinuse      = errno(98)
	enodev          = errno(19)
	einval          = errno(22)
	emsgsize        = errno(90)
	eprotonosupport = errno(93)
	eopnotsupp      = errno(95)
	enobufs         = errno(105)
	econnrefused    = errno(111)
)
