// Accept accepts every packet of a queue and prints it. At the end it prints the
// number of packets. It is the example of the libipq(3) manual page, for both
// kinds of kernel queue. It needs root, and a rule that sends packets to the queue:
//
//	iptables -I INPUT -p icmp -j NFQUEUE --queue-num 0    # Linux 2.6.14 and later
//	iptables -I INPUT -p icmp -j QUEUE                    # ip_queue, before Linux 3.5
//	ip6tables -I INPUT -p icmpv6 -j QUEUE                 # ip6_queue; accept -6
//
// With -q it prints only errors. If the output is slow, it accepts packets without
// printing them. Ctrl-C or SIGTERM ends it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/ipqueue/ipqueue/examples/internal/cli"
	"github.com/ipqueue/ipqueue/examples/internal/lines"
	"github.com/ipqueue/ipqueue/examples/internal/numbers"
	"github.com/ipqueue/ipqueue/queue"
)

var program = cli.Program{Name: "accept", About: "Accept accepts every packet of a queue and prints it."}

func main() {
	c, quiet, err := parse(os.Args[1:], os.Stdout)
	if err == nil {
		err = run(c, quiet)
	}
	program.Exit(err)
}

// run accepts packets until a signal ends it.
func run(c queue.Config, quiet bool) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c.OnRefused = func(id uint64, err error) { fmt.Fprintf(os.Stderr, "accept: packet %d: %v\n", id, err) }
	q, err := queue.Open(ctx, c)
	if err != nil {
		return err
	}
	defer q.Close()
	var out io.Writer = os.Stdout
	if quiet {
		out = io.Discard
	}
	printer := lines.New(out)
	printer.Printf("accept: %s\n", cli.QueueName(q, c.Family))
	for p := range q.Packets() {
		printer.Printf("%v\n", p)
		if err := p.Accept(); err != nil {
			printer.Printf("accept: %v\n", err)
		}
	}
	q.Close()
	s := q.Stats()
	printer.Printf("accept: %s, %d refused, %d missed\n", numbers.Count(s.Received, "packet"), s.Refused, s.Missed)
	return errors.Join(q.Err(), printer.Close())
}

func parse(args []string, help io.Writer) (c queue.Config, quiet bool, err error) {
	flags := program.Flags()
	cli.Queue(flags, &c)
	flags.BoolVar(&quiet, "q", false, "print only errors")
	err = program.Parse(flags, args, help)
	return c, quiet, err
}
