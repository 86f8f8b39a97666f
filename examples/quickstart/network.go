package main

import (
	"context"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/sock"
)

// A network sends the traffic of the demonstration through the rule that queues
// it. Its methods wait for the expected packets, until ctx ends.
type network interface {
	// ping returns nil when an echo reply has arrived.
	ping(ctx context.Context) error
	// say sends texts over UDP, one datagram each, and returns those that
	// arrived up to the last one, in order.
	say(ctx context.Context, texts ...string) ([]string, error)
	// echo sends text over a TCP connection and returns the echo.
	echo(ctx context.Context, text string) (string, error)
	close() error
}

// A stage is the network for the demonstration.
type stage struct {
	name   string
	kernel sock.Kernel
	network
}

// place returns a private network namespace in the running kernel, if the
// kernel permits that.
func place(show *screen) stage {
	n, err := newNamespace()
	if err != nil {
		show.refused(err)
		s := newSimulation()
		return stage{"simulated, in this process", s.kernel, s}
	}
	return stage{"a namespace of the running kernel, with nothing but loopback", sock.Host(), n}
}

// newNamespace creates the namespace and installs the rule. Until the queue is
// open, the rule drops packets.
func newNamespace() (*namespace, error) {
	if err := netns.Enter(); err != nil {
		return nil, err
	}
	var own netns.Namespace
	table, err := own.AddTable(netns.IPv4, "quickstart")
	if err != nil {
		return nil, err
	}
	if _, err := table.AddChain(netns.Output, 0, netns.Rule{Action: netns.Enqueue}); err != nil {
		_ = table.Delete()
		return nil, err
	}
	return &namespace{table}, nil
}
