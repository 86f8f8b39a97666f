// Accept accepts every packet of a queue and prints what goes wrong: the
// program of the libipq(3) manual page, for both of the kernel's queues. It
// needs root, and a rule that feeds the queue:
//
//	iptables -I INPUT -p icmp -j NFQUEUE --queue-num 0    # Linux 2.6.14 and later
//	iptables -I INPUT -p icmp -j QUEUE                    # ip_queue, before Linux 3.5
//	ip6tables -I INPUT -p icmpv6 -j QUEUE                 # ip6_queue; accept -6
//
// It ends at Ctrl-C or SIGTERM.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/ipqueue/ipqueue/examples/internal/numbers"
	"github.com/ipqueue/ipqueue/queue"
)

func main() {
	c, verbose := parse()
	c.OnRefused = func(id uint64, err error) { complain(fmt.Errorf("packet %d: %w", id, err)) }
	if err := run(c, verbose); err != nil {
		complain(err)
		os.Exit(1)
	}
}

// run accepts packets until a signal ends it.
func run(c queue.Config, verbose bool) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	q, err := queue.Open(ctx, c)
	if err != nil {
		return err
	}
	defer q.Close()
	for p := range q.Packets() {
		if verbose {
			fmt.Printf("%d %v %d bytes in=%v out=%v\n", p.ID, p.Hook, p.Length, p.In(), p.Out())
		}
		if err := p.Accept(); err != nil {
			complain(err)
		}
	}
	return q.Err()
}

func complain(err error) { fmt.Fprintln(os.Stderr, "accept:", err) }

// parse reads the command line. It ends the program if that is wrong.
func parse() (c queue.Config, verbose bool) {
	flag.Func("queue", "queue `N` of nfnetlink_queue (default 0)", numbers.Decimal(&c.Number))
	flag.BoolFunc("6", "the IPv6 queue of ip_queue", func(string) error {
		c.Family = queue.IPv6
		return nil
	})
	flag.BoolVar(&verbose, "v", false, "print each packet")
	flag.Parse()
	if flag.NArg() > 0 {
		complain(fmt.Errorf("unexpected argument %q", flag.Arg(0)))
		flag.Usage()
		os.Exit(2)
	}
	return c, verbose
}
