// Netem simulates a bad network, like the queueing discipline of the same name.
// It delays, loses, reorders, duplicates and corrupts packets, and limits their bit
// rate. Unlike the queueing discipline, it works on the packets of any firewall
// rule, including incoming packets, and can repeat the same random choices. It
// needs CAP_NET_ADMIN, and a rule that sends packets to the queue:
//
//	iptables -I INPUT -p tcp --sport 443 -j NFQUEUE --queue-num 0 --queue-bypass
//	nft insert rule inet filter input tcp sport 443 queue num 0 bypass
//
// For example:
//
//	netem -delay 80ms -jitter 20ms -loss 1%
//	netem -delay 10ms -reorder 25% -seed 7
//	netem -delay 50ms -jitter 10ms -distribution pareto -loss 2% -correlation 50%
//	netem -rate 2mbit -limit 50 -corrupt 0.1%
//	netem -duplicate 5% -queue 3
//
// These steps apply to each packet in this order. It may be lost. It waits until
// the link, which has the bit rate of -rate, is free. Then it is delayed by -delay
// plus or minus up to -jitter; a packet chosen by -reorder is not delayed and so
// overtakes others. Only the number of the packet and -seed determine the random
// choices, not the other flags.
//
// -correlation makes losses come in groups: the probability that the packet after
// a lost one is lost as well lies that percentage of the way from -loss to 100%. The
// total number of losses stays the same. With -distribution normal or pareto,
// -jitter is the standard deviation of the delay; with pareto a few packets are very
// late. A corrupted packet has one wrong bit after its IP header, so the receiver
// drops it. Fragments, and packets that the kernel does not let programs change,
// are not corrupted.
//
// The program prints the seed at the start and statistics at the end. Ctrl-C or
// SIGTERM ends it; it then sends the packets that it holds at once.
//
// It holds at most -limit packets; the kernel drops those beyond.
//
// A verdict cannot duplicate a packet, so the program sends the duplicate on a raw
// socket, which needs CAP_NET_RAW. The duplicate enters the hook Output with a mark
// (-mark), by which the program recognizes and accepts it. This is only right for
// packets that leave this host: packets at the hooks Prerouting and Input are not
// duplicated, but counted. A rule that excludes duplicates keeps them out of the
// queue, where those beyond the limit would be lost:
//
//	iptables -I OUTPUT -p udp -m mark ! --mark 0x6e65 -j NFQUEUE --queue-num 3 --queue-bypass
//	nft insert rule inet filter output meta l4proto udp meta mark != 0x6e65 queue num 3 bypass
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/ipqueue/ipqueue/examples/internal/cli"
	"github.com/ipqueue/ipqueue/examples/internal/lines"
	"github.com/ipqueue/ipqueue/examples/internal/rawip"
	"github.com/ipqueue/ipqueue/queue"
)

var program = cli.Program{Name: "netem", About: "Netem delays, loses, reorders, duplicates, corrupts or slows packets."}

func main() {
	o, err := parse(os.Args[1:], os.Stdout)
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = run(ctx, o)
	}
	program.Exit(err)
}

// config returns how to open the queue.
func (o options) config() queue.Config {
	const (
		leastBuffer    = 8 << 20
		bytesPerPacket = 2048
	)
	return queue.Config{
		Number: o.number,
		// Treat each packet on the wire separately, instead of many as one
		// large GSO packet.
		NoGSO: true,
		// A packet counts towards the kernel's limit until its verdict, so
		// there are never more than limit of them. With one more here, the
		// reader continues when limit packets are held, and notices the end.
		QueueLength:  o.limit,
		MaxUndecided: o.limit + 1,
		// By default a short queue has a small buffer, and the kernel would
		// drop packets below the limit: on loopback each may have 64 KiB.
		ReadBuffer: max(leastBuffer, o.limit*bytesPerPacket),
	}
}

// run emulates the network until ctx ends.
func run(ctx context.Context, o options) error {
	q, err := queue.Open(ctx, o.config())
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
	out := lines.New(os.Stdout)
	out.Printf("netem: %s, seed %d\n", cli.QueueName(q, queue.IPv4), o.seed)
	e.run(q.Packets())
	out.Printf("\n%s", e.report(q.Stats())) // below the ^C of a terminal
	return errors.Join(q.Err(), out.Close())
}
