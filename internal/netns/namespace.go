package netns

import (
	"errors"
	"io/fs"
	"os"
	"sync"
)

// errExited is the error of Do if its function ended the goroutine.
var errExited = errors.New("netns: the function ended the namespace's goroutine")

// A Namespace is a network namespace. The zero value is that of the process; New
// creates others.
//
// Each namespace created by New has its own thread. All methods may be called
// concurrently.
type Namespace struct {
	file *os.File
	jobs chan job
	done chan struct{} // closed when the thread has ended
	end  func() error  // see Close
}

// A job is a function to run in the namespace's thread.
type job struct {
	f      func() error
	result chan<- error
}

// run sends a result even if f ends the goroutine.
func (j job) run() {
	err := errExited
	defer func() { j.result <- err }()
	err = j.f()
}

// New creates a network namespace whose loopback link is up. It needs
// CAP_SYS_ADMIN in the user namespace, which the process has after Enter.
func New() (*Namespace, error) {
	quit := make(chan struct{})
	n := &Namespace{jobs: make(chan job), done: make(chan struct{})}
	n.end = sync.OnceValue(func() error {
		close(quit)
		<-n.done
		return n.file.Close()
	})
	ready := make(chan error)
	go n.live(ready, quit)
	if err := <-ready; err != nil {
		return nil, err
	}
	if err := n.prepare(); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

// FD returns the descriptor of the namespace, which n continues to own. For the zero
// Namespace it is 0, which in Config.NetNS means the namespace of the caller.
func (n *Namespace) FD() int {
	if n.file == nil {
		return 0
	}
	return int(n.file.Fd())
}

// Do calls f in the namespace and returns its error. Sockets that f opens belong to
// the namespace permanently. Files below /proc/thread-self/net and /proc/sys/net
// are those of the namespace. Goroutines that f starts are not in the namespace.
// Only one f runs at a time, and f must not close n. If f ends its goroutine, as
// t.FailNow does, the namespace can no longer be used. After Close, Do returns
// os.ErrClosed.
func (n *Namespace) Do(f func() error) error {
	if n.file == nil {
		return f()
	}
	result := make(chan error, 1)
	select {
	case n.jobs <- job{f, result}:
		return <-result
	case <-n.done:
		return os.ErrClosed
	}
}

// Close ends the thread and closes the descriptor. The kernel removes the
// namespace, and its end of each veth pair, when nothing else, such as a socket,
// refers to it. Further calls, and calls on the zero Namespace, do nothing.
func (n *Namespace) Close() error {
	if n.file == nil {
		return nil
	}
	return n.end()
}

// SetSysctl writes a setting below /proc/sys/net, "ipv4/ip_forward" for
// example, of the namespace.
func (n *Namespace) SetSysctl(name, value string) error { return n.setSysctl(name, value) }

// prepare prepares a new namespace. It turns off duplicate address detection, so
// that a router immediately has the link-local addresses with which it looks for its
// IPv6 neighbours.
func (n *Namespace) prepare() error {
	err := n.SetSysctl("ipv6/conf/default/accept_dad", "0")
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a kernel without IPv6
		return err
	}
	lo, err := n.Link("lo")
	if err != nil {
		return err
	}
	return lo.SetUp()
}
