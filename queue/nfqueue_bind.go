package queue

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/wire"
)

// bind creates the queue and configures it. Before Linux 3.8 it also registers
// nfnetlink_queue for each family without a handler; otherwise the queue would
// get no packets.
func (n *nfqueue) bind(ctx context.Context, q *binding) error {
	n.limits = limitsOf(q)
	handlers := handlersOf(q.host)
	if family := q.cfg.Family; handlers != nil && strings.HasPrefix(handlers[family.number()], "ip") {
		return explainHandler(family, ebusy)
	}
	err := n.create(ctx, q)
	if err == nil {
		err = n.checkFlags(ctx, q)
	}
	if err == nil {
		err = n.checkNamespace(ctx, q)
	}
	if err == nil && handlers != nil {
		err = n.bindFamilies(ctx, q, handlers)
	}
	if err != nil && n.created {
		n.leave(ctx, q)
	}
	return err
}

// bindFamilies registers nfnetlink_queue for the packets of IPv4 and IPv6,
// unless another module is registered. The registration is permanent, because
// the queues of other programs depend on it as well.
func (n *nfqueue) bindFamilies(ctx context.Context, q *binding, handlers map[uint8]string) error {
	for _, family := range []Family{IPv4, IPv6} {
		if handlers[family.number()] != "" {
			continue
		}
		c := wire.NFQConfig{Command: wire.CommandBindFamily, Family: family.number()}
		switch err := n.configure(ctx, q, c); {
		case errors.Is(err, ebusy) && family == q.cfg.Family:
			return explainHandler(family, err)
		case err == nil, errors.Is(err, ebusy), errors.Is(err, eexist):
		default:
			return err
		}
	}
	return nil
}

// configure sends a configuration message and returns the kernel's answer.
func (n *nfqueue) configure(ctx context.Context, q *binding, c wire.NFQConfig) error {
	c.Queue = n.number
	return q.request(ctx, func(seq uint32) []byte {
		return wire.AppendNFQConfig(nil, wire.FlagAck, seq, 0, &c)
	})
}

// create creates the queue with all settings. Linux 3.6 to 4.4 checks the flags
// last, so the queue exists although they are refused.
func (n *nfqueue) create(ctx context.Context, q *binding) error {
	err := n.own(ctx, q, true)
	if !errors.Is(err, eopnotsupp) {
		return err
	}
	n.created = true // possibly
	for _, f := range nfqueueFlags(&q.cfg) {
		if f.set && n.refuses(ctx, q, f.flag) {
			return unsupportedFlag(f)
		}
	}
	if n.flags&wire.ConfigGSO == 0 || !n.refuses(ctx, q, wire.ConfigGSO) {
		return err
	}
	n.flags &^= wire.ConfigGSO // before Linux 3.10 the kernel queues no GSO packets
	return n.own(ctx, q, false)
}

// refuses reports whether the kernel refuses a flag. If the kernel checks flags
// first, the queue need not exist.
func (n *nfqueue) refuses(ctx context.Context, q *binding, f wire.ConfigFlags) bool {
	return errors.Is(n.configure(ctx, q, wire.NFQConfig{Flags: f, Mask: f}), eopnotsupp)
}

// noFlag is a flag that no kernel knows.
const noFlag wire.ConfigFlags = 1 << 31

// checkFlags fails if Config contains flags that the kernel has ignored without
// an error, as before Linux 3.6. Such a kernel also ignores noFlag.
func (n *nfqueue) checkFlags(ctx context.Context, q *binding) error {
	for _, f := range nfqueueFlags(&q.cfg) {
		if !f.set {
			continue
		}
		err := n.configure(ctx, q, wire.NFQConfig{Flags: noFlag, Mask: noFlag})
		switch {
		case err == nil:
			return unsupportedFlag(f)
		case errors.Is(err, eopnotsupp), errors.Is(err, einval):
			return nil
		}
		return err
	}
	return nil
}

// checkNamespace fails if the queue would get no packets because it is not in
// the initial network namespace, as before Linux 3.10. There the kernel's
// status file does not exist, and there is no GSO flag. Without /proc,
// checkNamespace cannot know and does not fail.
func (n *nfqueue) checkNamespace(ctx context.Context, q *binding) error {
	if !errors.Is(q.status.missing(), fs.ErrNotExist) {
		return nil
	}
	if _, err := q.host.ReadFile("/proc/net/netlink"); err != nil {
		return nil
	}
	// The kernel checks flags outside the mask, but does not set them.
	err := n.configure(ctx, q, wire.NFQConfig{Flags: wire.ConfigGSO, Mask: noFlag})
	if err == nil && n.configure(ctx, q, wire.NFQConfig{Flags: noFlag, Mask: noFlag}) == nil {
		return errForeignNamespace // the kernel supports no flags
	}
	if errors.Is(err, eopnotsupp) {
		return errForeignNamespace
	}
	return nil
}

// leave destroys the queue. The kernel also does so when the socket closes, but
// before Linux 3.10 only in the initial network namespace.
func (n *nfqueue) leave(ctx context.Context, q *binding) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = n.configure(ctx, q, wire.NFQConfig{Command: wire.CommandUnbind})
}

// own makes the socket the owner of the queue. It sends the complete
// configuration in one message, so that the queue never drops packets because
// it has no mode yet. If the queue belongs to another socket, own waits for its
// end.
func (n *nfqueue) own(ctx context.Context, q *binding, create bool) error {
	patience, privileged := q.patience(sock.ProtoNetfilter), false
	for {
		err := n.tryOwn(ctx, q, create)
		if !errors.Is(err, eperm) {
			n.created = n.created || err == nil
			return err
		}
		port := n.owner(q)
		if port == 0 && !privileged {
			if privileged, err = n.privileged(ctx, q); err != nil {
				return err
			}
		}
		again, err := patience.wait(ctx, port)
		if err != nil {
			return err
		}
		if !again {
			return n.explainTaken(q, eperm, port)
		}
	}
}

// tryOwn sends the configuration. If the answer was lost, the request is
// repeated, and the first one may or may not have created the queue.
func (n *nfqueue) tryOwn(ctx context.Context, q *binding, create bool) error {
	for {
		created := create
		err := q.request(ctx, func(seq uint32) []byte {
			b := n.appendBind(seq, create)
			created, create = create, false
			return b
		})
		if created || !errors.Is(err, enodev) {
			return err
		}
		create = true
	}
}

// privileged fails with EPERM if the caller lacks CAP_NET_ADMIN. The kernel
// also answers EPERM if the queue belongs to another socket, but not to a
// message without a body, which it ignores (net/netfilter/nfnetlink.c,
// nfnetlink_rcv_msg).
func (n *nfqueue) privileged(ctx context.Context, q *binding) (bool, error) {
	err := q.request(ctx, func(seq uint32) []byte {
		return n.native.AppendHeader(nil, wire.Header{
			Len: wire.HeaderLen, Type: wire.NFQConfigType, Flags: wire.FlagRequest | wire.FlagAck, Seq: seq,
		})
	})
	return err == nil, err
}

func (n *nfqueue) appendBind(seq uint32, create bool) []byte {
	c := n.config(n.mode)
	if create {
		c.Command = wire.CommandBind
	}
	c.SetMaxLen, c.MaxLen = true, n.length
	c.Flags, c.Mask = n.flags, n.flags
	return wire.AppendNFQConfig(nil, wire.FlagAck, seq, 0, &c)
}

// owner returns the port of the socket that owns the queue. It returns 0 if
// there is none, if it is this socket, or if it is unknown.
func (n *nfqueue) owner(q *binding) uint32 {
	row, err := q.status.row(n.number)
	if err != nil || row.Port == q.sock.Port() {
		return 0
	}
	return row.Port
}

// explain adds to an error of bind what to do about it.
func (n *nfqueue) explain(q *binding, err error) error {
	switch {
	case errors.Is(err, eprotonosupport):
		return explain(err, "load module nfnetlink_queue (kernel option CONFIG_NETFILTER_NETLINK_QUEUE)")
	case q.sock == nil:
		return explainSocket(&q.cfg, err)
	case errors.Is(err, einval):
		return explain(err, "load module nfnetlink_queue (kernel option CONFIG_NETFILTER_NETLINK_QUEUE)")
	case errors.Is(err, eperm):
		return explainPrivilege(err)
	}
	return err
}

// explainTaken explains that the queue belongs to the socket with that port, 0
// if it is unknown.
func (n *nfqueue) explainTaken(q *binding, err error, port uint32) error {
	if port == 0 {
		return explain(err, "taken by another socket (root sees whose): stop that program or use another queue (Config.Number)")
	}
	owner, self := q.portOwner(sock.ProtoNetfilter, port)
	remedy := "stop it"
	if self {
		remedy = "close the other Queue"
	}
	return explain(err, "taken by %s: %s or use another queue (Config.Number)", owner, remedy)
}
