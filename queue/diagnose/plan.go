package diagnose

import (
	"context"
	"errors"
	"io/fs"

	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
)

// plan determines which socket Open would open. It calls Open with a kernel that
// opens no sockets (a rehearsal): Open checks the Config, chooses the kernel queue,
// and then fails.
func (x *examination) plan() {
	r := rehearsal{Kernel: x.host, x: x}
	_, err := queue.Open(sock.WithKernel(context.WithoutCancel(x.ctx), &r), x.c)
	if !errors.Is(err, errRehearsal) && !errors.Is(err, eprotonosupport) {
		x.refusal = err
		if op := (*queue.OpError)(nil); errors.As(err, &op) {
			x.refusal = op.Err
		}
		return
	}
	x.socket = r.opened
}

// A rehearsal is a kernel on which nothing can be changed: it can be read, but
// opens no sockets. It remembers the last socket requested.
type rehearsal struct {
	sock.Kernel
	x      *examination
	opened sock.Config
}

// errRehearsal is the error with which Open fails during a rehearsal.
var errRehearsal = errors.New("this is a rehearsal")

// Open returns the error that makes queue.Open try the next kernel queue if there
// is no ip_queue, and errRehearsal otherwise.
func (r *rehearsal) Open(c sock.Config) (sock.Socket, error) {
	r.opened = c
	if c.Protocol != sock.ProtoNetfilter && !r.x.hasIPQueue(c) {
		return nil, eprotonosupport
	}
	return nil, errRehearsal
}

// WriteFile fails without writing.
func (r *rehearsal) WriteFile(string, []byte) error { return errRehearsal }

// hasIPQueue reports whether the module for socket c works in this network
// namespace, or whether the kernel would load it when the socket is opened.
func (x *examination) hasIPQueue(c sock.Config) bool {
	_, err := x.readStatus(c)
	if !errors.Is(err, fs.ErrNotExist) {
		return true
	}
	if x.release.atLeast(release{3, 5}) || x.loadedModules()[c.StatusFile] {
		return false
	}
	m := x.loading(c.StatusFile, ipqueueAlias(c.Protocol))
	return m.listed && m.obstacle == ""
}
