package netns

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

// marker is the environment variable that Enter sets. Its value is a refusal, or
// the network namespace in which the program was started: a process in that
// namespace is not inside, even if it has inherited the variable.
const marker = "IPQUEUE_NETNS"

// errOutside is the error of inside before Enter is called.
var errOutside = errors.New("netns: not in a namespace of its own: Enter was not called")

func enter() error {
	err := inside()
	if errors.Is(err, errOutside) {
		return reexec()
	}
	if err != nil {
		return err
	}
	var own Namespace
	return own.prepare()
}

func inside() error {
	value, ok := os.LookupEnv(marker)
	if !ok {
		return errOutside
	}
	if r, ok := parseRefusal(value); ok {
		return r
	}
	here, err := current()
	if err != nil {
		return err
	}
	if here == value {
		return fmt.Errorf("netns: still in %s, where the program was started", here)
	}
	return nil
}

// current returns the network namespace of the process, for example
// "net:[4026531840]".
func current() (string, error) {
	return os.Readlink("/proc/self/ns/net")
}

// reexec returns only if it failed.
func reexec() error {
	outer, err := current()
	if err != nil {
		return err
	}
	// The death signal comes when the thread that forked ends, not the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	signals := catch()
	defer signal.Stop(signals)
	inner, err := start(append(os.Environ(), marker+"="+outer))
	if err != nil {
		return err
	}
	state, err := wait(inner, signals)
	if err != nil {
		return err
	}
	exitLike(state)
	return nil
}

// start executes the program again in new namespaces. It records a refusal.
func start(env []string) (*os.Process, error) {
	inner, alone := fork(env, &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNET})
	if alone == nil {
		return inner, nil
	}
	inner, user := fork(env, userAndNet())
	if user == nil {
		return inner, nil
	}
	r := newRefusal(alone, user)
	return nil, errors.Join(r, os.Setenv(marker, r.marker()))
}

// userAndNet creates the user namespace first. The child creates the network
// namespace after its ids have been mapped. If one clone created both, the files
// below /proc/net/netfilter would have no valid owner: their owner is the id to
// which root of the user namespace maps when the network namespace is created
// (fs/proc/proc_net.c, proc_net_ns_init).
func userAndNet() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWUSER,
		Unshareflags: syscall.CLONE_NEWNET,
		UidMappings:  []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
		GidMappings:  []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
	}
}

func fork(env []string, attr *syscall.SysProcAttr) (*os.Process, error) {
	attr.Setpgid = true
	attr.Pdeathsig = syscall.SIGKILL
	return os.StartProcess("/proc/self/exe", os.Args, &os.ProcAttr{
		Env:   env,
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Sys:   attr,
	})
}
