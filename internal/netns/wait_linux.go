package netns

import (
	"os"
	"os/signal"
	"syscall"
)

// passedOn are the signals that the inner process gets as well.
var passedOn = []os.Signal{
	syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT,
	syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2,
}

// catch returns the channel of the signals that this process gets from now on,
// but for those that it was started to ignore, by nohup for example: the inner
// process is to be started to ignore them too.
func catch() chan os.Signal {
	signals := make(chan os.Signal, 16)
	for _, s := range passedOn {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	return signals
}

// wait hands signals on to the inner process until that ends.
func wait(inner *os.Process, signals chan os.Signal) (*os.ProcessState, error) {
	signal.Notify(signals, passedOn...)
	go func() {
		for s := range signals {
			_ = inner.Signal(s) // it may have ended
		}
	}()
	return inner.Wait()
}

// exitLike ends the program in the way that state says.
func exitLike(state *os.ProcessState) {
	status := state.Sys().(syscall.WaitStatus)
	if !status.Signaled() {
		os.Exit(status.ExitStatus())
	}
	switch s := status.Signal(); s {
	case syscall.SIGHUP, syscall.SIGINT, syscall.SIGKILL, syscall.SIGTERM:
		raise(s)
	}
	// The runtime would answer the others with a stack trace of its own.
	os.Exit(128 + int(status.Signal()))
}

// raise sends the signal to the calling thread, which takes it before the
// call returns.
func raise(s syscall.Signal) {
	signal.Reset(s)
	_ = syscall.Tgkill(syscall.Getpid(), syscall.Gettid(), s)
}
