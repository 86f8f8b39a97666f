package queue

import (
	"context"
	"errors"
	"os"

	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/wire"
)

// Open opens a packet queue for the lifetime of ctx. When ctx ends, the kernel
// queues no more packets, packets already received can still be decided for
// Config.Grace, and then the queue closes. ctx is not a time limit for Open
// alone, although its end also ends Open.
//
// Between the end of ctx and that moment the queue is still bound, so the
// kernel drops new packets even if the rule contains "bypass". With
// Config.OnClose Accept it lets them pass. Queue.Close closes the queue
// immediately.
//
// Open and every verdict require CAP_NET_ADMIN in the user namespace that owns
// the network namespace. Packets wait in the kernel until Packets or All is
// called. With Config.Deadline, the queue reads them earlier if it must let them
// expire.
//
// If the queue belongs to another socket, Open waits half a second for that
// socket to be closed. If its process is exiting, which takes a large process a
// moment, Open waits up to ten seconds.
//
// An error is an *OpError. Its text is one line that contains what to do. It
// matches ErrInvalid or ErrUnsupported if a field of c is refused, both ctx.Err()
// and the cause if ctx ended, or the kernel's errno: for example EPERM (no
// privilege, or another socket owns the nfnetlink_queue), EBUSY (another socket
// owns ip_queue) or EPROTONOSUPPORT (this kernel has no such queue).
func Open(ctx context.Context, c Config) (*Queue, error) {
	c, err := c.complete()
	if err == nil && ctx.Err() != nil {
		err = endOf(ctx)
	}
	if err != nil {
		return nil, c.openError(err)
	}
	k := sock.KernelFrom(ctx)
	switch c.choose(k) {
	case IPQueue:
		return openIPQueue(ctx, k, c)
	case NFQueue:
		return openNFQueue(ctx, k, c)
	}
	return openEither(ctx, k, c)
}

// openError wraps an error of Open that occurred before a kind of queue was
// chosen.
func (c *Config) openError(err error) error {
	name := newNFQueue(c).name()
	if c.Backend == IPQueue {
		name = newIPQueue(c).name()
	}
	return &OpError{Op: "open", Queue: name, Err: err}
}

// choose returns the kind of queue to open, or Auto if Open must try both.
// Linux 3.5 removed ip_queue. On later kernels, trying it would run modprobe at
// each Open (net/netlink/af_netlink.c, netlink_create).
func (c *Config) choose(k sock.Kernel) Backend {
	if c.Backend != Auto {
		return c.Backend
	}
	if sock.ReleaseOf(k).AtLeast(3, 5) {
		return NFQueue
	}
	switch handlersOf(k)[c.Family.number()] {
	case "ip_queue", "ip6_queue":
		return IPQueue
	case "nf_queue":
		return NFQueue
	}
	return Auto
}

// handlersOf returns the module that handles the packets of each family, as far
// as there is one. It returns nil if the kernel does not report that: since
// Linux 3.8 it is always nfnetlink_queue.
func handlersOf(k sock.Kernel) map[uint8]string {
	text, err := k.ReadFile("/proc/net/netfilter/nf_queue")
	if err != nil {
		return nil
	}
	handlers, _ := wire.ParseNFQueueHandlers(text)
	return handlers
}

// number returns the kernel's number of the family.
func (f Family) number() uint8 {
	if f == IPv6 {
		return 10
	}
	return 2
}

// openEither opens ip_queue if this kernel has it, otherwise nfnetlink_queue.
// If ip_queue cannot honour a field of c, openEither fails only if this kernel
// has ip_queue.
func openEither(ctx context.Context, k sock.Kernel, c Config) (*Queue, error) {
	if err := c.refusedByIPQueue(); err != nil {
		if hasIPQueue(k, &c) {
			return nil, &OpError{Op: "open", Queue: newIPQueue(&c).name(), Err: err}
		}
	} else if q, err := openIPQueue(ctx, k, c); !absent(err) {
		return q, err
	}
	return openNFQueue(ctx, k, c)
}

// hasIPQueue reports whether the kernel has ip_queue for the family of c.
func hasIPQueue(k sock.Kernel, c *Config) bool {
	s, err := k.Open(newIPQueue(c).socket(c))
	if err == nil {
		_ = s.Close()
	}
	return !absent(err)
}

// absent reports whether err means that the kernel does not have the queue, or
// that no socket could be opened to ask it.
func absent(err error) bool {
	var call *os.SyscallError
	if errors.As(err, &call) && call.Syscall != "sendmmsg" {
		return true
	}
	return errors.Is(err, eprotonosupport) || errors.Is(err, econnrefused) ||
		errors.Is(err, sock.ErrUnsupported)
}

func openIPQueue(ctx context.Context, k sock.Kernel, c Config) (*Queue, error) {
	c.Backend = IPQueue
	i := newIPQueue(&c)
	q := newQueue(c, k, i, i.name())
	err := c.refusedByIPQueue()
	if err == nil {
		err = q.open(ctx, i.socket(&c))
	}
	return q.opened(ctx, err)
}

func openNFQueue(ctx context.Context, k sock.Kernel, c Config) (*Queue, error) {
	c.Backend = NFQueue
	n := newNFQueue(&c)
	q := newQueue(c, k, n, n.name())
	err := c.refusedByNFQueue()
	if err == nil {
		err = q.open(ctx, n.socket(&c))
	}
	return q.opened(ctx, err)
}
