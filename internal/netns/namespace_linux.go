package netns

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
)

// live makes the namespace and serves it until quit closes. The goroutine
// never unlocks its thread, so that the runtime ends the thread with it.
func (n *Namespace) live(ready chan<- error, quit <-chan struct{}) {
	runtime.LockOSThread()
	if syscall.Gettid() == syscall.Getpid() {
		n.moveOn(ready, quit)
		return
	}
	defer close(n.done)
	file, err := unshare()
	n.file = file
	ready <- err
	if err == nil {
		n.serve(quit)
	}
}

// moveOn calls live on another thread. What the first thread does would show
// in the whole process, whose /proc/self is that of its first thread: it must
// stay where it is, and is held until the other thread is there.
func (n *Namespace) moveOn(ready chan<- error, quit <-chan struct{}) {
	defer runtime.UnlockOSThread()
	there := make(chan error)
	go n.live(there, quit)
	ready <- <-there
}

func (n *Namespace) serve(quit <-chan struct{}) {
	for {
		select {
		case j := <-n.jobs:
			j.run()
		case <-quit:
			return
		}
	}
}

// unshare moves the calling thread into a new namespace and opens that.
func unshare() (*os.File, error) {
	if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("netns: unshare: %w", err)
	}
	return os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", syscall.Gettid()))
}
