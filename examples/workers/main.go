// Workers shares packets out to a pool of goroutines and keeps the order of
// each conversation: several queues of the kernel, read by a Group, feed the
// pool, and all packets between the same two ends, in both directions, go to
// the same worker. So each worker knows its conversations without a lock, and
// none waits for another. What this one does with them is to count: it tells at
// the end who talked most. It needs CAP_NET_ADMIN, and a rule that feeds the
// queues, by a hash of the addresses or, with fanout, by processor:
//
//	iptables -I FORWARD -j NFQUEUE --queue-balance 0:3 --queue-bypass
//	nft insert rule inet filter forward queue num 0-3 bypass
//	nft insert rule inet filter forward queue num 0-3 bypass,fanout
//
// For example
//
//	workers -queues 4 -workers 8
//
// With fanout a conversation whose packets come from several processors has no
// order to keep. A fragment but the first has no ports, so it may go to another
// worker than the first one.
//
// A worker that is busy has up to 128 packets waiting; then the program reads
// no more, the kernel's queues fill, and what does not fit is dropped and told
// at the end. That is at Ctrl-C or SIGTERM: the kernel queues no more, the
// workers finish what they have, and then the queues are closed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/ipqueue/ipqueue/examples/internal/numbers"
	"github.com/ipqueue/ipqueue/queue"
)

// options are what the command line says.
type options struct {
	first           uint16
	queues, workers int
}

func main() {
	o, err := parse(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		os.Exit(2) // parse has said why
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "workers:", err)
		os.Exit(1)
	}
}

// run shares the packets of the queues out until ctx ends.
func run(ctx context.Context, o options) error {
	c := queue.Config{
		Number: o.first,
		Mode:   queue.Range(headers),
		Grace:  -1, // the workers always come to their packets' end
	}
	group, err := queue.OpenGroup(ctx, c.Balance(o.queues)...)
	if err != nil {
		return err
	}
	defer group.Close()
	p := newPool(o.workers, queue.Packet.Accept)
	p.run(group.Packets())
	group.Close()
	p.report(os.Stdout)
	fmt.Println("\n" + group.Stats().String())
	return group.Err()
}

// headers is how much of a packet is enough to tell its conversation.
const headers = 128

// parse reads the command line, and tells output what is wrong with it.
func parse(args []string, output io.Writer) (o options, err error) {
	set := flag.NewFlagSet("workers", flag.ContinueOnError)
	set.SetOutput(output)
	set.Func("queue", "first queue `N` of nfnetlink_queue (default 0)", numbers.Decimal(&o.first))
	set.IntVar(&o.queues, "queues", 4, "`number` of queues, as many as in the rule")
	set.IntVar(&o.workers, "workers", runtime.NumCPU(), "`number` of workers")
	if err := set.Parse(args); err != nil {
		return o, err
	}
	switch {
	case set.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", set.Arg(0))
	case o.workers < 1 || o.workers > 1000:
		err = errors.New("-workers is from 1 to 1000")
	case o.queues < 1 || o.queues > 1<<16-int(o.first):
		err = fmt.Errorf("-queues is from 1 to %d, for the last queue is 65535", 1<<16-int(o.first))
	}
	if err != nil {
		fmt.Fprintln(output, err)
		set.Usage()
	}
	return o, err
}
