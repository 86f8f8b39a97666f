package testutil

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// StartUnread is like Start, but the standard output is a full pipe that is not
// read, so that the program cannot write to it.
func StartUnread(t testing.TB, program string, args ...string) *Process {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	defer w.Close()
	if err := fill(w); err != nil {
		t.Fatal(err)
	}
	return startCmd(t, exec.Command(program, args...), w)
}

// fill writes to a pipe until it is full. Pages are whole, so that the pipe has
// no room for a single byte then.
func fill(pipe *os.File) error {
	conn, err := pipe.SyscallConn()
	if err != nil {
		return err
	}
	page := make([]byte, os.Getpagesize())
	var failed error
	err = conn.Write(func(fd uintptr) bool {
		for failed == nil || failed == syscall.EINTR {
			_, failed = syscall.Write(int(fd), page)
		}
		return true
	})
	if failed != syscall.EAGAIN {
		err = errors.Join(err, os.NewSyscallError("write", failed))
	}
	return err
}

// WantUnread runs a program with the argument -queue and a standard output that
// is not read. use sends packets through the queue. The program must decide
// them, and on a signal it must end and report the lines that it could not
// print.
func WantUnread(t testing.TB, program string, number uint16, use func(), args ...string) {
	t.Helper()
	p := StartUnread(t, program, append([]string{"-queue", strconv.Itoa(int(number))}, args...)...)
	AwaitOwner(t, number)
	use()
	p.Signal(t, os.Interrupt)
	const want = "not printed: the output is stuck"
	if got := p.Wait(t); got != 1 || !strings.Contains(p.Stderr.String(), want) {
		t.Errorf("exit status %d and complaints %q, want 1 and %q", got, &p.Stderr, want)
	}
}
