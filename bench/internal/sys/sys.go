// Package sys does to processes what the standard library cannot: it binds them
// to processors and reads the processor time and memory that another one has used.
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

// StartOn starts the command on some processors, to which all its threads are
// bound. The process is killed when the calling thread ends: the caller must
// have locked it with runtime.LockOSThread.
func StartOn(cpus []int, cmd *exec.Cmd) error { return startOn(cpus, cmd) }

// An Account is the processor time and the memory that a process has used.
type Account struct {
	Total time.Duration // as exact as the scheduler's clock
	// User and System are in the kernel's clock ticks, of which a second has
	// 100: their ratio is good for longer times only.
	User, System time.Duration
	// Memory is the most memory it has had resident so far, in bytes.
	Memory int64
}

// AccountOf reads the account of a process, of all its threads together.
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

// Stdin returns the standard input as a file whose reader waits in the runtime's
// poller. A reader of os.Stdin, which blocks, waits in a system call: where there
// is only one processor it takes that along, until the runtime looks after it, up
// to 20 ms later (Go 1.26).
func Stdin() (*os.File, error) { return pollable(os.Stdin.Fd(), "stdin") }

// KernelRelease is what uname -r prints.
func KernelRelease() (string, error) { return kernelRelease() }
