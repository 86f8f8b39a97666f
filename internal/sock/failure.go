//go:build !plan9

package sock

import (
	"errors"
	"syscall"
)

// TooLarge reports whether err means that a datagram is too large to be sent.
func TooLarge(err error) bool { return errors.Is(err, syscall.EMSGSIZE) }

// NoMemory reports whether err means that the kernel temporarily had no memory
// for a datagram, so that it can be sent again later.
func NoMemory(err error) bool {
	return errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.ENOMEM)
}
