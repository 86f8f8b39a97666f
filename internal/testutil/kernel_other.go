//go:build !linux

package testutil

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"github.com/ipqueue/ipqueue/internal/netns"
)

// RequireKernel skips the test: only Linux queues packets.
func RequireKernel(t testing.TB) {
	t.Helper()
	Lacks(t, Namespaces, netns.Inside())
}

// SetMark fails the test: only Linux marks packets.
func SetMark(t testing.TB, _ syscall.Conn, _ uint32) {
	t.Helper()
	t.Fatal(errors.ErrUnsupported)
}

// SendFrame fails the test: it is not needed elsewhere.
func SendFrame(t testing.TB, _ Host, _ []byte) {
	t.Helper()
	t.Fatal(errors.ErrUnsupported)
}

// Halt returns an error: it is needed on Linux only.
func Halt(*os.Process) (resume func() error, err error) { return nil, errors.ErrUnsupported }
