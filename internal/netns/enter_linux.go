package netns

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

// marker is the environment variable that Enter leaves. Its value is either
// the network namespace that the program was started in, so that a stray copy
// of it in somebody's environment proves nothing, or a refusal.
const marker = "IPQUEUE_NETNS"

// errOutside is what inside returns before Enter.
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

// current names the network namespace of the process: "net:[4026531840]".
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

// start executes the program again in new namespaces. A refusal is recorded.
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

// userAndNet makes the user namespace first and leaves the network namespace
// to the child, after its ids were mapped. Were both made by one clone, the
// files below /proc/net/netfilter would belong to nobody: their owner is what
// root of the user namespace maps to at the moment the network namespace is
// made (fs/proc/proc_net.c, proc_net_ns_init).
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
