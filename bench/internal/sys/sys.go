// Package sys provides functions for processes that the standard library lacks: it
// binds them to processors, and reads the processor time and memory that they use.
//
// Off Linux every function returns an error that matches errors.ErrUnsupported.
package sys

import (
	"os"
	"os/exec"
	"time"
)

// CPUs returns the processors that the calling thread may run on, in order.
func CPUs() ([]int, error) { return cpus() }

// StartOn starts the command and binds all its threads to the given processors. The
// kernel kills the process when the calling thread ends, so the caller must have
// locked the thread with runtime.LockOSThread.
func StartOn(cpus []int, cmd *exec.Cmd) error { return startOn(cpus, cmd) }

// An Account is the processor time and the memory that a process has used.
type Account struct {
	Total time.Duration // with the precision of the scheduler's clock
	// User and System have the precision of the kernel's clock ticks, 10 ms, so
	// their ratio is meaningful only over a longer time.
	User, System time.Duration
	// Memory is the largest resident memory so far, in bytes.
	Memory int64
}

// AccountOf reads the account of a process: the sum of all its threads.
func AccountOf(pid int) (Account, error) { return accountOf(pid) }

// Sub returns the processor time used between b and a. User and System are in the ratio
// of their ticks and add up to Total.
func (a Account) Sub(b Account) Account {
	used := Account{Total: a.Total - b.Total, User: a.User - b.User, System: a.System - b.System}
	if ticks := used.User + used.System; ticks > 0 {
		used.User = time.Duration(float64(used.Total) * float64(used.User) / float64(ticks))
	}
	used.System = used.Total - used.User
	return used
}

// EnterNamespace moves the calling thread into the network namespace of the
// file. The caller must have locked the thread and never unlock it.
func EnterNamespace(file *os.File) error { return enterNamespace(file) }

// Stdin returns the standard input as a file that is read through the runtime's
// poller. A read of os.Stdin would block in a system call and keep its P, the only one
// if GOMAXPROCS is 1, until the runtime's monitor takes the P back, up to 20 ms later
// (Go 1.26).
func Stdin() (*os.File, error) { return pollable(os.Stdin.Fd(), "stdin") }

// KernelRelease returns the release of the kernel, as uname -r prints it.
func KernelRelease() (string, error) { return kernelRelease() }
