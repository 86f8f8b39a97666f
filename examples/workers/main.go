// Workers distributes packets over a pool of goroutines, and keeps the order of
// each conversation. A Group reads several kernel queues. All packets between the
// same two end points, in both directions, go to the same worker, so a worker needs
// no lock for its conversations and waits for no other worker. These workers only
// count: at the end the program prints the conversations with the most bytes. A
// worker remembers 10,000 conversations and then forgets the smaller half; one that
// continues is counted anew. The program needs CAP_NET_ADMIN, and a rule that
// distributes packets over the queues, by a hash of the addresses or, with fanout,
// by processor:
//
//	iptables -I FORWARD -j NFQUEUE --queue-balance 0:3 --queue-bypass
//	nft insert rule inet filter forward queue num 0-3 bypass
//	nft insert rule inet filter forward queue num 0-3 bypass,fanout
//
// For example:
//
//	workers -queues 4 -workers 8
//
// With fanout, packets of a conversation that come from several processors are not
// in order. Only the first fragment of a packet has ports, so later fragments may go
// to another worker.
//
// Up to 128 packets wait for a busy worker. Then the program stops reading, the
// kernel's queues fill, and the kernel drops further packets. The program prints
// their number at the end.
//
// Ctrl-C or SIGTERM ends it: the kernel queues no more packets, the workers finish
// theirs, and then the queues are closed.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/ipqueue/ipqueue/examples/internal/cli"
	"github.com/ipqueue/ipqueue/examples/internal/lines"
	"github.com/ipqueue/ipqueue/examples/internal/numbers"
	"github.com/ipqueue/ipqueue/queue"
)

// options are the values of the command line.
type options struct {
	first           uint16
	queues, workers int
}

var program = cli.Program{Name: "workers", About: "Workers distributes the packets of several queues over a pool of goroutines."}

func main() {
	o, err := parse(os.Args[1:], os.Stdout)
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = run(ctx, o)
	}
	program.Exit(err)
}

// run distributes the packets of the queues until ctx ends.
func run(ctx context.Context, o options) error {
	c := queue.Config{
		Number: o.first,
		Mode:   queue.Range(headers),
		Grace:  -1, // no limit: the workers always decide all their packets
	}
	group, err := queue.OpenGroup(ctx, c.Balance(o.queues)...)
	if err != nil {
		return err
	}
	defer group.Close()
	out := lines.New(os.Stdout)
	out.Printf("workers: %s\n", o.summary())
	p := newPool(o.workers, queue.Packet.Accept)
	p.run(group.Packets())
	group.Close()
	var report strings.Builder
	p.report(&report)
	out.Printf("\n%s\n%v\n", &report, group.Stats()) // below the ^C of a terminal
	return errors.Join(group.Err(), out.Close())
}

// headers is the number of bytes of a packet that identify its conversation.
const headers = 128

// summary returns the queues and the number of workers in words.
func (o options) summary() string {
	queues := fmt.Sprintf("queue %d", o.first)
	if o.queues > 1 {
		queues = fmt.Sprintf("queues %d to %d", o.first, int(o.first)+o.queues-1)
	}
	return queues + ", " + numbers.Count(o.workers, "worker")
}

func parse(args []string, help io.Writer) (o options, err error) {
	flags := program.Flags()
	flags.Func("queue", "first queue is queue `N` of nfnetlink_queue (default 0)", numbers.Decimal(&o.first))
	flags.IntVar(&o.queues, "queues", 4, "open `N` queues, as many as the rule has")
	flags.IntVar(&o.workers, "workers", runtime.NumCPU(), "start `N` workers")
	if err := program.Parse(flags, args, help); err != nil {
		return o, err
	}
	switch {
	case o.workers < 1 || o.workers > 1000:
		err = cli.Misuse("-workers must be from 1 to 1000")
	case o.queues < 1 || o.queues > 1<<16-int(o.first):
		err = cli.Misuse("-queues must be from 1 to %d: the last queue is 65535", 1<<16-int(o.first))
	}
	return o, err
}
