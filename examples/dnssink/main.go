// Dnssink blocks names: whoever asks a DNS server for one of them is told that
// it does not exist. It is the place to start for a filter of your own.
//
//	go build ./examples/dnssink
//	sudo ./dnssink ads.example.com .example.net
//	sudo ./dnssink -list names.txt -answer zero
//
// A name stands for itself, ".example.net" for example.net and all below it. A
// list has names in its lines, or is a hosts file. The queue gets what comes
// from DNS servers:
//
//	iptables -I INPUT -p udp --sport 53 -j NFQUEUE --queue-num 0 --queue-bypass
//	ip6tables -I INPUT -p udp --sport 53 -j NFQUEUE --queue-num 0 --queue-bypass
//	nft insert rule inet filter input udp sport 53 queue flags bypass to 0
//
// or FORWARD instead of INPUT, on a router. Of a response that is about a
// listed name, or whose aliases (CNAME) lead to one, another is made with the
// same question and -answer: nxdomain (no such name), zero (the address 0.0.0.0
// or ::, no other data) or drop (none at all; rules with --dport 53 in OUTPUT
// then keep the questions on this machine, too). All else passes unchanged.
//
// A question cannot be answered by replacing it: it is on its way out, and so
// would be its replacement. Names that are asked by TCP, TLS or HTTPS are not
// seen; let other rules refuse those.
//
// Should the program come to a halt, because nobody reads what it prints say,
// packets pass after a second. Ctrl-C ends it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/ipqueue/ipqueue/examples/internal/numbers"
	"github.com/ipqueue/ipqueue/queue"
)

func main() {
	o, err := parse(flag.CommandLine, os.Args[1:])
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = run(ctx, o, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "dnssink:", err)
		os.Exit(1)
	}
}

// options are the command line's.
type options struct {
	queue uint16
	sink  sink
}

func parse(flags *flag.FlagSet, args []string) (o options, err error) {
	flags.Func("queue", "queue `N` (default 0)", numbers.Decimal(&o.queue))
	flags.Func("list", "`file` of names", o.sink.names.ReadFile)
	flags.TextVar(&o.sink.answer, "answer", noName, "nxdomain, zero or drop")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	for _, name := range flags.Args() {
		if err := o.sink.names.Add(name); err != nil {
			return o, err
		}
	}
	if o.sink.names.Len() == 0 {
		return o, errors.New("no names: say them, or a -list of them")
	}
	return o, nil
}

// run filters until ctx ends.
func run(ctx context.Context, o options, out io.Writer) error {
	q, err := queue.Open(ctx, queue.Config{
		Number:     o.queue,
		NoGSO:      true, // each datagram by itself
		Deadline:   time.Second,
		OnDeadline: queue.Accept,
		WhenFull:   queue.Accept,
		FailOpen:   true,
	})
	if err != nil {
		return err
	}
	defer q.Close()
	fmt.Fprintf(out, "dnssink: %d names, queue %d\n", o.sink.names.Len(), o.queue)
	for p := range q.Packets() {
		if err := o.sink.decide(p, out); err != nil && !errors.Is(err, queue.ErrDecided) {
			fmt.Fprintln(out, err)
		}
	}
	s := q.Stats()
	fmt.Fprintf(out, "%d packets: %d replaced, %d dropped; %d passed undecided\n",
		s.Received, s.Replaced, s.Dropped, s.Expired+s.Overflowed)
	return q.Err()
}
