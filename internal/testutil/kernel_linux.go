package testutil

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/mdlayher/netlink"

	"github.com/ipqueue/ipqueue/internal/netns"
)

// RequireKernel skips the test unless the process is in a private network namespace,
// where it may add a rule that sends packets to a queue, and may bind the queue.
// RequireKernel tries both in a new namespace; the message of the skip contains what
// the kernel refused. The TestMain of the test binary must call Main. At the end, the
// test fails if it leaves TCP data in that namespace which the kernel would send again.
func RequireKernel(t testing.TB) {
	t.Helper()
	if err := netns.Inside(); err != nil {
		Lacks(t, Namespaces, err)
	}
	// Inside, Enter reports what is wrong with the namespace.
	if err := netns.Enter(); err != nil {
		t.Fatal(err)
	}
	n, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := try(n); refused(err) {
		Lacks(t, PacketQueues, err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { awaitTCP(t, patience) })
}

func try(n *netns.Namespace) error {
	table, err := n.AddTable(netns.IPv4, "try")
	if err != nil {
		return err
	}
	if _, err := table.AddChain(netns.Output, 0, netns.Rule{Action: netns.Enqueue}); err != nil {
		return err
	}
	return bind(n)
}

// refused reports whether the error is that of a kernel that lacks or forbids a
// feature. Any other error is a mistake in this package.
func refused(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, os.ErrPermission) ||
		errors.Is(err, syscall.EPROTONOSUPPORT)
}

// bind binds queue 0 and releases it again. A kernel without nfnetlink_queue returns
// EINVAL (net/netfilter/nfnetlink.c, nfnetlink_rcv_msg).
func bind(n *netns.Namespace) error {
	e := netlink.NewAttributeEncoder()
	e.Bytes(1, []byte{1, 0, 0, 0}) // NFQA_CFG_CMD: NFQNL_CFG_CMD_BIND
	command, err := e.Encode()
	if err != nil {
		return err
	}
	conn, err := netlink.Dial(syscall.NETLINK_NETFILTER, &netlink.Config{NetNS: n.FD()})
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Execute(netlink.Message{
		Header: netlink.Header{
			Type:  3<<8 | 2, // NFNL_SUBSYS_QUEUE, NFQNL_MSG_CONFIG
			Flags: netlink.Request | netlink.Acknowledge,
		},
		Data: append(make([]byte, 4), command...), // struct nfgenmsg: queue 0
	})
	if errors.Is(err, syscall.EINVAL) {
		return fmt.Errorf("%w: no nfnetlink_queue: %w", errors.ErrUnsupported, err)
	}
	return err
}
