package diagnose

import (
	"context"
	"errors"
	"io/fs"

	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
)

// plan finds out which socket Open would open, by a rehearsal: Open itself checks
// the Config and chooses the kernel queue, but gets no socket.
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

// A rehearsal is the kernel as far as it can be looked at without changing
// anything. It opens no socket, and remembers the last one asked for.
type rehearsal struct {
	sock.Kernel
	x      *examination
	opened sock.Config
}

// errRehearsal is why Open ends.
var errRehearsal = errors.New("this is a rehearsal")

// Open makes queue.Open try the next kernel queue where there is no ip_queue.
func (r *rehearsal) Open(c sock.Config) (sock.Socket, error) {
	r.opened = c
	if c.Protocol != sock.ProtoNetfilter && !r.x.hasIPQueue(c) {
		return nil, eprotonosupport
	}
	return nil, errRehearsal
}

// WriteFile writes nothing.
func (r *rehearsal) WriteFile(string, []byte) error { return errRehearsal }

// hasIPQueue reports whether the kernel has the module whose socket c is for this
// network namespace, or would load it for that socket.
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
