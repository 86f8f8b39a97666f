// Netem makes a network as bad as one wants, like the queueing discipline of
// that name, but for the packets of any firewall rule, incoming ones included,
// and in the same way each time: packets are delayed, lost, sent out of order,
// sent twice, corrupted and held to a bit rate. It needs CAP_NET_ADMIN, and a rule that
// feeds the queue:
//
//	iptables -I INPUT -p tcp --sport 443 -j NFQUEUE --queue-num 0 --queue-bypass
//	nft insert rule inet filter input tcp sport 443 queue num 0 bypass
//
// For example
//
//	netem -delay 80ms -jitter 20ms -loss 1%
//	netem -delay 10ms -reorder 25% -seed 7
//	netem -delay 50ms -jitter 10ms -distribution pareto -loss 2% -correlation 50%
//	netem -rate 2mbit -limit 50 -corrupt 0.1%
//	netem -duplicate 5% -queue 3
//
// Each packet meets these in turn: it is lost; it waits its turn on a link of
// that rate; it is delayed by delay plus or minus up to jitter, or not at all
// if it is one of those to be reordered, which so overtake others. The packet
// number and the seed decide what happens to it, whatever the other settings.
//
// With -correlation losses come in a row: the packet behind a lost one is lost
// with a probability that is that far between loss and 100%. As many are lost in
// all. With -distribution normal or pareto jitter is the standard deviation of
// the delay; a pareto has a few packets that are very late. A corrupted packet
// has a wrong bit behind its IP header, so that its receiver drops it. Fragments
// and packets that the kernel does not let programs change pass as they are.
//
// The seed is printed at the start, the statistics at the end: at Ctrl-C or
// SIGTERM, when the packets held are let go at once.
//
// At most limit packets are held; those above it are lost in the kernel.
//
// A verdict is about one packet and cannot duplicate it, so the second one is
// sent by a raw socket, which needs CAP_NET_RAW. It passes the Output hook from
// the beginning, with a mark (-mark) by which the program lets it pass if it
// comes back. That is right for packets that leave this host, and so packets
// at the hooks Prerouting and Input are not duplicated, but counted. A rule
// that leaves duplicates out saves them the way through the queue, where those
// above the limit are lost:
//
//	iptables -I OUTPUT -p udp -m mark ! --mark 0x6e65 -j NFQUEUE --queue-num 3 --queue-bypass
//	nft insert rule inet filter output meta l4proto udp meta mark != 0x6e65 queue num 3 bypass
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/ipqueue/ipqueue/examples/internal/cli"
	"github.com/ipqueue/ipqueue/examples/internal/rawip"
	"github.com/ipqueue/ipqueue/queue"
)

var program = cli.Program{Name: "netem", About: "Netem delays, loses, reorders, duplicates, corrupts and slows down the packets of a queue."}

func main() {
	o, err := parse(os.Args[1:], os.Stdout)
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = run(ctx, o)
	}
	program.Exit(err)
}

// run emulates the network until ctx ends.
func run(ctx context.Context, o options) error {
	q, err := queue.Open(ctx, queue.Config{
		Number: o.number,
		// One packet is one of the wire, and not the many that GSO makes one.
		NoGSO: true,
		// The kernel counts a packet until its verdict: it never has more
		// than limit of them. One more keeps the reader going when as many
		// are held, so that it sees the end.
		QueueLength:  o.limit,
		MaxUndecided: o.limit + 1,
	})
	if err != nil {
		return err
	}
	defer q.Close()
	e := newEmulator(o.network)
	if o.duplicate > 0 {
		raw, err := rawip.Open(o.mark)
		if err != nil {
			return fmt.Errorf("-duplicate: %w", err)
		}
		defer raw.Close()
		e.send = raw.Send
	}
	fmt.Printf("netem: %s, seed %d\n", cli.QueueName(q, queue.IPv4), o.seed)
	e.run(q.Packets())
	fmt.Print(e.report(q.Stats()))
	return q.Err()
}
