package netns_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/ipqueue/ipqueue/internal/netns"
)

// helpers are programs that start with Enter. Each is the test binary, started
// with its name in helperVariable.
var helpers = map[string]func(){
	"status":      func() { mustEnter(); os.Exit(7) },
	"cat":         func() { mustEnter(); cat() },
	"signals":     func() { mustEnter(); printSignals() },
	"sleep":       func() { mustEnter(); fmt.Println("ready"); time.Sleep(time.Hour) },
	"ignored":     func() { mustEnter(); fmt.Println(signal.Ignored(syscall.SIGHUP)) },
	"killed":      func() { mustEnter(); die(syscall.SIGKILL) },
	"interrupted": func() { mustEnter(); die(syscall.SIGINT) },
	"terminated":  func() { mustEnter(); die(syscall.SIGTERM) },
	"crash":       func() { mustEnter(); crash() },
	"enter":       printEnter,
	"forbid user": func() { forbid("user"); runAgain("enter") },
	"forbid both": func() { forbid("user"); forbid("net"); runAgain("enter") },
}

// enterMarker is the variable by which Enter knows that it was called.
const enterMarker = "IPQUEUE_NETNS"

// helperVariable names the helper that the test binary is to be.
const helperVariable = "IPQUEUE_TEST_HELPER"

// outside returns a command for the test binary which, unlike this process,
// has not called Enter yet.
func outside(args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, enterMarker+"=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	// The race detector waits for a second at exit, unless told not to.
	cmd.Env = append(cmd.Env, "GORACE=atexit_sleep_ms=0")
	return cmd
}

// helperCommand returns a command for the helper, outside.
func helperCommand(name string) *exec.Cmd {
	cmd := outside()
	cmd.Env = append(cmd.Env, helperVariable+"="+name)
	return cmd
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
}

func mustEnter() { must(netns.Enter()) }

func cat() {
	_, err := io.Copy(os.Stdout, os.Stdin)
	must(err)
	fmt.Fprint(os.Stderr, "done")
}

// printSignals prints each signal and ends with TERM.
func printSignals() {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, passedOn...)
	fmt.Println("ready")
	for s := range signals {
		fmt.Println(s)
		if s == syscall.SIGTERM {
			return
		}
	}
}

func die(s syscall.Signal) {
	must(syscall.Kill(os.Getpid(), s))
	time.Sleep(time.Hour)
}

// crash dies by SIGABRT, without a core file.
func crash() {
	must(syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}))
	debug.SetTraceback("crash")
	panic("crash")
}

// printEnter tells what two calls of Enter and one of Inside say, and whether
// the errno can be found in the first.
func printEnter() {
	first := netns.Enter()
	fmt.Println(first)
	fmt.Println(netns.Enter())
	fmt.Println(netns.Inside())
	fmt.Println(errors.Is(first, syscall.ENOSPC))
}

// inUserNamespace starts the command as root of a user namespace of its own.
func inUserNamespace(cmd *exec.Cmd) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
	}
	return cmd
}

// forbid makes the kernel refuse more namespaces of a kind in this user
// namespace, which no other process may use.
func forbid(kind string) {
	must(os.WriteFile("/proc/sys/user/max_"+kind+"_namespaces", []byte("0"), 0))
}

func runAgain(name string) {
	cmd := helperCommand(name)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	must(cmd.Run())
}
