package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/ipqueue/ipqueue/bench/internal/load"
	"github.com/ipqueue/ipqueue/internal/netns"
)

// A network consists of the namespace of this process, whose rules queue outgoing
// packets, and a peer namespace at the far end of a veth pair.
type network struct {
	peer *netns.Namespace
	file *os.File // the peer namespace, for generators
	sink *net.UDPConn

	remove []func() error // undo the changes to this namespace
}

func newNetwork() (*network, error) {
	peer, err := netns.New()
	if err != nil {
		return nil, err
	}
	n := &network{peer: peer}
	n.file, err = os.Open(fmt.Sprintf("/proc/self/fd/%d", peer.FD()))
	if err == nil {
		n.sink, err = load.NewSink()
	}
	if err == nil {
		err = errors.Join(n.join(), n.addRules())
	}
	if err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

// join connects the namespaces and waits until the connection works.
func (n *network) join() error {
	here := &netns.Namespace{}
	near, far, err := here.AddVeth("bench0", n.peer, "bench1")
	if err != nil {
		return err
	}
	n.remove = append(n.remove, near.Delete)
	err = errors.Join(
		near.AddAddr(netip.MustParsePrefix(load.Host+"/24")),
		far.AddAddr(netip.MustParsePrefix(load.Peer+"/24")),
		near.SetUp(), far.SetUp())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return errors.Join(near.WaitRunning(ctx), far.WaitRunning(ctx))
}

// addRules adds rules that queue the packets of the generators and the kernel's
// replies to their echo requests.
func (n *network) addRules() error {
	here := &netns.Namespace{}
	table, err := here.AddTable(netns.IPv4, "bench")
	if err != nil {
		return err
	}
	n.remove = append(n.remove, table.Delete)
	enqueue := func(r netns.Rule) netns.Rule {
		r.Action, r.Queue = netns.Enqueue, netns.Queue{First: queueNumber}
		return r
	}
	_, err = table.AddChain(netns.Output, 0,
		enqueue(netns.Rule{Protocol: netns.UDP, DstPort: load.FloodPort}),
		enqueue(netns.Rule{Protocol: netns.UDP, DstPort: load.LatencyPort}),
		enqueue(netns.Rule{Protocol: netns.TCP, DstPort: load.StreamPort}),
		enqueue(netns.Rule{Protocol: netns.ICMP}))
	return err
}

func (n *network) close() {
	for _, remove := range n.remove {
		_ = remove()
	}
	n.file.Close()
	if n.sink != nil {
		n.sink.Close()
	}
	n.peer.Close()
}
