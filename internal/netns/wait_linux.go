package netns

import (
	"os"
	"os/signal"
	"syscall"
)

// passedOn contains the signals that are passed on to the inner process.
var passedOn = []os.Signal{
	syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT,
	syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2,
}

// catch returns a channel with the signals that this process receives from now on.
// It leaves out signals that the process ignored from its start, for example because
// of nohup, so that the inner process ignores them as well.
func catch() chan os.Signal {
	signals := make(chan os.Signal, 16)
	for _, s := range passedOn {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	return signals
}

// wait passes signals on to the inner process until it ends.
func wait(inner *os.Process, signals chan os.Signal) (*os.ProcessState, error) {
	signal.Notify(signals, passedOn...)
	go func() {
		for s := range signals {
			_ = inner.Signal(s) // it may have ended
		}
	}()
	return inner.Wait()
}

// exitLike ends the program in the same way as the process with that state.
func exitLike(state *os.ProcessState) {
	status := state.Sys().(syscall.WaitStatus)
	if !status.Signaled() {
		os.Exit(status.ExitStatus())
	}
	switch s := status.Signal(); s {
	case syscall.SIGHUP, syscall.SIGINT, syscall.SIGKILL, syscall.SIGTERM:
		raise(s)
	}
	// For the other signals the runtime would print a stack trace.
	os.Exit(128 + int(status.Signal()))
}

// raise sends the signal to the calling thread, which receives it before the call
// returns.
func raise(s syscall.Signal) {
	signal.Reset(s)
	_ = syscall.Tgkill(syscall.Getpid(), syscall.Gettid(), s)
}
