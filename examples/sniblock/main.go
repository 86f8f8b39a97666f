// Sniblock refuses TLS connections to names: it reads the server's name in the
// first message of a client (SNI), also where that comes in many segments, in
// any order, or in many TLS records.
//
//	go build ./examples/sniblock
//	sudo ./sniblock -mark 1 -reset 2 ads.example.com .example.net
//
// A name stands for itself, ".example.net" for example.net and all below it.
// The queue gets what clients send:
//
//	iptables -A OUTPUT -p tcp -m mark --mark 1 -j CONNMARK --save-mark
//	iptables -A OUTPUT -p tcp -m mark --mark 2 -j REJECT --reject-with tcp-reset
//	iptables -A OUTPUT -p tcp --dport 443 -m connmark ! --mark 1 -j NFQUEUE --queue-num 0 --queue-bypass
//	ip6tables -A OUTPUT -p tcp -m mark --mark 1 -j CONNMARK --save-mark
//	ip6tables -A OUTPUT -p tcp -m mark --mark 2 -j REJECT --reject-with tcp-reset
//	ip6tables -A OUTPUT -p tcp --dport 443 -m connmark ! --mark 1 -j NFQUEUE --queue-num 0 --queue-bypass
//	nft add rule inet filter output meta mark 1 ct mark set meta mark
//	nft add rule inet filter output meta l4proto tcp meta mark 2 reject with tcp reset
//	nft add rule inet filter output tcp dport 443 ct mark != 1 queue flags bypass to 0
//
// or FORWARD instead of OUTPUT, on a router. The rules come in this order. Those
// about marks are for -mark, which keeps the rest of a connection in the kernel
// once its name is known, and -reset, which tells the client at once. Without
// the flags the rule to the queue will do: a client then waits in vain.
//
// What is not TLS, has no name, has more than 16 KiB before it, or began before
// the program did passes. At most 4096 connections are watched, and none that
// is silent for 30 seconds; the oldest make room and pass. A name that is
// encrypted (ECH) or comes by QUIC is not seen.
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
		fmt.Fprintln(os.Stderr, "sniblock:", err)
		os.Exit(1)
	}
}

// options are the command line's.
type options struct {
	queue  uint16
	marks  marks
	filter filter
}

func parse(flags *flag.FlagSet, args []string) (o options, err error) {
	flags.Func("queue", "queue `N` (default 0)", numbers.Decimal(&o.queue))
	flags.Func("mark", "`mark` that the rules save for connections which may go on", numbers.Mark(&o.marks.settled))
	flags.Func("reset", "`mark` that the rules reset", numbers.Mark(&o.marks.refused))
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	for _, name := range flags.Args() {
		if err := o.filter.names.Add(name); err != nil {
			return o, err
		}
	}
	switch {
	case flags.NArg() == 0:
		return o, errors.New("no names")
	case o.marks.settled != 0 && o.marks.settled == o.marks.refused:
		return o, errors.New("-mark and -reset must differ")
	}
	o.filter.table = newTable(4096, 30*time.Second)
	return o, nil
}

// run filters until ctx ends.
func run(ctx context.Context, o options, out io.Writer) error {
	const headers = 40 + 60 // of IPv6 and TCP
	q, err := queue.Open(ctx, queue.Config{
		Number:     o.queue,
		Mode:       queue.Range(headers + longestHello),
		Deadline:   time.Second, // if nobody reads what is printed, say
		OnDeadline: queue.Accept,
		WhenFull:   queue.Accept,
		FailOpen:   true,
	})
	if err != nil {
		return err
	}
	defer q.Close()
	fmt.Fprintf(out, "sniblock: %d names, queue %d\n", o.filter.names.Len(), o.queue)
	for p := range q.Packets() {
		flow := p.Flow()
		_, segment := p.Transport()
		d, name := o.filter.judge(flow, segment, time.Now())
		if name != "" {
			fmt.Fprintf(out, "refused  %-40q  %v\n", name, flow)
		}
		if err := o.marks.decide(p, d); err != nil && !errors.Is(err, queue.ErrDecided) {
			fmt.Fprintln(out, err)
		}
	}
	return q.Err()
}
