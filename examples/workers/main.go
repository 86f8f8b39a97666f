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
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/ipqueue/ipqueue/examples/internal/cli"
	"github.com/ipqueue/ipqueue/examples/internal/numbers"
	"github.com/ipqueue/ipqueue/queue"
)

// options are what the command line says.
type options struct {
	first           uint16
	queues, workers int
}

var program = cli.Program{Name: "workers", About: "Workers shares the packets of several queues out to a pool of goroutines."}

func main() {
	o, err := parse(os.Args[1:], os.Stdout)
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = run(ctx, o)
	}
	program.Exit(err)
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
	fmt.Println("workers: " + o.summary())
	p := newPool(o.workers, queue.Packet.Accept)
	p.run(group.Packets())
	group.Close()
	p.report(os.Stdout)
	fmt.Println("\n" + group.Stats().String())
	return group.Err()
}

// headers is how much of a packet is enough to tell its conversation.
const headers = 128

// summary says what the program is about to do.
func (o options) summary() string {
	queues := fmt.Sprintf("queue %d", o.first)
	if o.queues > 1 {
		queues = fmt.Sprintf("queues %d to %d", o.first, int(o.first)+o.queues-1)
	}
	return queues + ", " + numbers.Count(o.workers, "worker")
}

func parse(args []string, help io.Writer) (o options, err error) {
	flags := program.Flags()
	flags.Func("queue", "first queue `N` of nfnetlink_queue (default 0)", numbers.Decimal(&o.first))
	flags.IntVar(&o.queues, "queues", 4, "`number` of queues, as many as in the rule")
	flags.IntVar(&o.workers, "workers", runtime.NumCPU(), "`number` of workers")
	if err := program.Parse(flags, args, help); err != nil {
		return o, err
	}
	switch {
	case o.workers < 1 || o.workers > 1000:
		err = cli.Misuse("-workers is from 1 to 1000")
	case o.queues < 1 || o.queues > 1<<16-int(o.first):
		err = cli.Misuse("-queues is from 1 to %d, for the last queue is 65535", 1<<16-int(o.first))
	}
	return o, err
}
