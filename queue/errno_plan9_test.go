package queue_test

import "github.com/ipqueue/ipqueue/internal/kerneltest"

// The error numbers of Linux: Plan 9 has none.
const (
	eperm           = kerneltest.Errno(1)
	enoent          = kerneltest.Errno(2)
	eio             = kerneltest.Errno(5)
	eagain          = kerneltest.Errno(11)
	enomem          = kerneltest.Errno(12)
	ebusy           = kerneltest.Errno(16)
	enodev          = kerneltest.Errno(19)
	einval          = kerneltest.Errno(22)
	emsgsize        = kerneltest.Errno(90)
	eprotonosupport = kerneltest.Errno(93)
	eopnotsupp      = kerneltest.Errno(95)
	enobufs         = kerneltest.Errno(105)
	econnrefused    = kerneltest.Errno(111)
)
