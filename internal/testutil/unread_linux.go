package testutil

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
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
	size, err := unix.FcntlInt(w.Fd(), unix.F_GETPIPE_SZ, 0)
	if err != nil {
		t.Fatal(os.NewSyscallError("fcntl", err))
	}
	if _, err := w.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	return startCmd(t, exec.Command(program, args...), w)
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
