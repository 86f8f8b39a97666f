package testutil

import (
	"fmt"
	"os"
	"syscall"
)

// Halt stops a child process with SIGSTOP, and returns when none of its threads runs
// any more. The function returned continues the process. Nothing else may wait for
// the process meanwhile.
func Halt(p *os.Process) (resume func() error, err error) {
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return nil, err
	}
	var status syscall.WaitStatus
	_, err = syscall.Wait4(p.Pid, &status, syscall.WUNTRACED, nil)
	for err == syscall.EINTR {
		_, err = syscall.Wait4(p.Pid, &status, syscall.WUNTRACED, nil)
	}
	if err != nil {
		return nil, os.NewSyscallError("wait4", err)
	}
	if !status.Stopped() {
		return nil, fmt.Errorf("process %d ended instead of stopping: status %#x", p.Pid, status)
	}
	return func() error { return p.Signal(syscall.SIGCONT) }, nil
}
