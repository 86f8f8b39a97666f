package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/wire"
)

// Open opens a packet queue for the lifetime of ctx: when ctx ends the kernel
// queues nothing more, packets already received can still be decided for
// Config.Grace, and then the queue closes. ctx is not a limit for Open itself,
// although it ends that too.
//
// Open needs CAP_NET_ADMIN in the user namespace of the network namespace, and
// so does every verdict. It starts no goroutine that reads: packets wait in
// the kernel until Packets or All is called.
//
// Errors, as *OpError: ErrInvalid and ErrUnsupported for what Config asks; the
// kernel's errno, above all EPERM (no privilege, or the nfnetlink_queue belongs
// to another socket), EBUSY (ip_queue has another peer) and EPROTONOSUPPORT (no
// such queue in this kernel), with a text that says which and what to do; the
// cause of ctx's end.
func Open(ctx context.Context, c Config) (*Queue, error) {
	c, err := c.complete()
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, &OpError{Op: "open", Err: err}
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

// choose returns the kernel queue to open, or Auto if both must be tried.
func (c *Config) choose(k sock.Kernel) Backend {
	if c.Backend != Auto {
		return c.Backend
	}
	if anySet(c.nfqueueOnly()) {
		return NFQueue
	}
	text, err := k.ReadFile("/proc/net/netfilter/nf_queue")
	if err != nil {
		return Auto
	}
	handlers, _ := wire.ParseNFQueueHandlers(text)
	switch handlers[c.Family.number()] {
	case "ip_queue", "ip6_queue":
		return IPQueue
	case "nf_queue":
		return NFQueue
	}
	return Auto
}

// number is the kernel's number of the family.
func (f Family) number() uint8 {
	if f == IPv6 {
		return 10
	}
	return 2
}

// openEither opens ip_queue if this kernel has it, else nfnetlink_queue.
func openEither(ctx context.Context, k sock.Kernel, c Config) (*Queue, error) {
	q, err := openIPQueue(ctx, k, c)
	if err == nil || !absent(err) {
		return q, err
	}
	q, second := openNFQueue(ctx, k, c)
	if second == nil {
		return q, nil
	}
	return nil, &OpError{Op: "open", Err: &eitherError{first: err, second: second}}
}

// absent reports whether err says that the kernel has no such queue.
func absent(err error) bool {
	return errors.Is(err, eprotonosupport) || errors.Is(err, econnrefused) ||
		errors.Is(err, sock.ErrUnsupported)
}

// An eitherError says why neither queue could be opened. It matches what the
// second, the newer one, matches.
type eitherError struct{ first, second error }

func (e *eitherError) Error() string {
	return fmt.Sprintf("neither kernel queue can be used: %v; %v", inner(e.first), inner(e.second))
}

func (e *eitherError) Unwrap() error { return e.second }

// inner is err as part of a longer text.
func inner(err error) string {
	var op *OpError
	if errors.As(err, &op) {
		return op.Queue + ": " + op.Err.Error()
	}
	return err.Error()
}

func openIPQueue(ctx context.Context, k sock.Kernel, c Config) (*Queue, error) {
	c.Backend = IPQueue
	i := newIPQueue(&c)
	q := newQueue(c, k, i, i.name())
	err := refuse("ip_queue", c.nfqueueOnly())
	if err == nil {
		err = q.open(ctx, i.socket(&c))
	}
	return q.opened(ctx, err)
}

func openNFQueue(ctx context.Context, k sock.Kernel, c Config) (*Queue, error) {
	c.Backend = NFQueue
	n := newNFQueue(&c)
	q := newQueue(c, k, n, n.name())
	err := refuse("nfnetlink_queue", c.ipqueueOnly())
	if err == nil {
		err = q.open(ctx, n.socket(&c))
	}
	return q.opened(ctx, err)
}

// open opens the socket and makes it the queue's owner.
func (q *Queue) open(ctx context.Context, c sock.Config) error {
	r := &q.reader
	s, err := r.host.Open(c)
	if err != nil {
		return q.explain(err)
	}
	r.sock = s
	r.status.sock = s
	q.links.init(s)
	q.readBuffer = s.ReadBuffer()
	r.slack = openSlack
	if err = q.backend.bind(ctx, &r.binding); err != nil {
		err = q.explain(err)
		_ = q.Close()
	}
	r.room, r.slack = 0, 0
	return err
}

// openSlack is how many packets may come before the kernel's answer to Open
// without regard to MaxUndecided: nobody could decide them. No queue holds more.
const openSlack = 1 << 16

// explain makes an error tell what to do about it. If the queue died of
// another one meanwhile, that is the one to tell.
func (q *Queue) explain(err error) error {
	if died := q.life.why(); died != nil && errors.Is(err, ErrClosed) {
		err = errors.Unwrap(died)
	}
	var done *explained
	if errors.As(err, &done) {
		return err
	}
	return q.backend.explain(&q.reader.binding, err)
}

// opened is the end of Open.
func (q *Queue) opened(ctx context.Context, err error) (*Queue, error) {
	if err != nil {
		return nil, q.opError("open", err)
	}
	q.watch(ctx)
	return q, nil
}

// setLength sets the machine's one limit of the queue's length.
func (k *ipqueue) setLength(kernel sock.Kernel, n int) error {
	file := "/proc/sys/net/ipv4/ip_queue_maxlen"
	if k.family == IPv6 {
		file = "/proc/sys/net/ipv6/ip6_queue_maxlen"
	}
	if err := kernel.WriteFile(file, strconv.AppendInt(nil, int64(n), 10)); err != nil {
		return explain(err, "Config.QueueLength is the whole machine's for ip_queue, and root's to set")
	}
	return nil
}

// An explained error adds what to do to an error of the kernel.
type explained struct {
	err    error
	advice string
}

func (e *explained) Error() string { return e.err.Error() + ": " + e.advice }
func (e *explained) Unwrap() error { return e.err }

func explain(err error, format string, args ...any) error {
	return &explained{err, fmt.Sprintf(format, args...)}
}

func (n *nfqueue) explain(q *binding, err error) error {
	switch {
	case errors.Is(err, eprotonosupport):
		return explain(err, "this kernel has no netfilter netlink: load module nfnetlink_queue (CONFIG_NETFILTER_NETLINK_QUEUE)")
	case errors.Is(err, einval):
		return explain(err, "this kernel has no nfnetlink_queue: load module nfnetlink_queue (CONFIG_NETFILTER_NETLINK_QUEUE)")
	case errors.Is(err, eperm):
		if port := n.owner(q); port != 0 {
			return explain(err, "the queue belongs to %s; use another Number or stop that one", sock.OwnerOf(q.host, q.cfg.NetNS, sock.ProtoNetfilter, port))
		}
		return explain(err, "CAP_NET_ADMIN is needed in the network namespace's user namespace (run as root, or setcap cap_net_admin+ep), or another socket owns the queue")
	}
	return err
}

func (k *ipqueue) explain(q *binding, err error) error {
	switch {
	case errors.Is(err, eprotonosupport):
		return explain(err, "this kernel has no %s: load the module, or on Linux 3.5 and later use nfnetlink_queue", k.name())
	case errors.Is(err, econnrefused):
		return explain(err, "module %s is not loaded, or this is not the initial network namespace", k.name())
	case errors.Is(err, eperm):
		return explain(err, "CAP_NET_ADMIN is needed (run as root)")
	case errors.Is(err, ebusy):
		return explain(err, "%s serves one socket at a time, and has %s; stop that one", k.name(), k.peer(q))
	}
	return err
}

// peer names the present peer of ip_queue.
func (k *ipqueue) peer(q *binding) string {
	s, err := q.status.ipq()
	if err != nil {
		return "another one"
	}
	return sock.OwnerOf(q.host, q.cfg.NetNS, k.protocol(), s.Port).String()
}

// explainVerdictEPERM is why the stream ends when a verdict meets EPERM.
func explainVerdictEPERM(err error) error {
	return explain(err, "the kernel takes no more verdicts: CAP_NET_ADMIN, needed for each of them, was given up, or the queue has another owner")
}
