// Dnssink blocks names: clients that ask a DNS server for one of them get the
// answer that it does not exist. It is the place to start for a filter of your own.
//
//	go build ./examples/dnssink
//	sudo ./dnssink ads.example.com .example.net
//	sudo ./dnssink -list names.txt -allow mine.txt -answer zero
//
// A name stands for itself, ".example.net" for example.net and all names below it.
// Lists may be in any format that package names in this directory describes:
// hosts files, adblock rules, dnsmasq, unbound, response policy zones. A line that
// is not understood ends the program, unless -skip. The names of an -allow list
// are not blocked. SIGHUP reads all lists again; a list with a mistake changes
// nothing.
//
// The queue gets what comes from DNS servers:
//
//	iptables -I INPUT -p udp --sport 53 -j NFQUEUE --queue-num 0 --queue-bypass
//	iptables -I INPUT -p tcp --sport 53 -j NFQUEUE --queue-num 0 --queue-bypass
//	ip6tables -I INPUT -p udp --sport 53 -j NFQUEUE --queue-num 0 --queue-bypass
//	ip6tables -I INPUT -p tcp --sport 53 -j NFQUEUE --queue-num 0 --queue-bypass
//	nft insert rule inet filter input meta l4proto '{ tcp, udp }' th sport 53 queue flags bypass to 0
//
// On a router use FORWARD instead of INPUT.
//
// A response is blocked if it is about a listed name, or if its answers lead to one
// (CNAME, DNAME, HTTPS, SVCB, SRV, MX, NS, PTR and others). A UDP response is
// replaced by one to the same question, with -answer: nxdomain (no such name), zero
// (the address 0.0.0.0 or ::, and no other data) or drop (no response at all; rules
// with --dport 53 in OUTPUT then keep the questions on this machine as well). It
// keeps the DNS cookie of the response, and names Blocked as the reason. By TCP the
// connection is reset.
//
// A message that cannot be read to its end may be readable for its receiver, so it
// is dropped: what is malformed, a part of a fragmented datagram, a TCP connection
// that began before the program. "-unreadable accept" lets all that pass. A later
// fragment, which has no port, passes: without the first it is of no use.
//
// A question cannot be answered by replacing it, because the replacement would go
// to the server. Names that are asked for by TLS, QUIC or HTTPS are not seen; let
// other rules refuse those. Neither are responses signed with a key (TSIG, DNSSEC)
// signed again: their receiver sees a failure instead of the answer.
//
// If the program cannot keep up, packets pass undecided after a second, and the
// last line counts them. Ctrl-C ends the program.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/ipqueue/ipqueue/queue"
)

func main() {
	o, err := parse(os.Args[1:], os.Stdout)
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		hangups := make(chan os.Signal, 1)
		signal.Notify(hangups, hangup)
		err = run(ctx, o, hangups, os.Stdout)
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "dnssink:", err)
		os.Exit(1)
	}
}

// options are the values of the command line.
type options struct {
	queue   uint16
	lists   lists
	answer  answer
	lenient bool
}

// parse reads the arguments, and prints to help if they ask for that.
func parse(args []string, help io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("dnssink", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // an error is one line
	flags.Func("queue", "queue `N` of nfnetlink_queue (default 0)", func(text string) error {
		n, err := strconv.ParseUint(text, 10, 16)
		o.queue = uint16(n)
		if err != nil {
			return errors.New("want a number from 0 to 65535")
		}
		return nil
	})
	flags.Func("list", "block the names in `FILE`; may be repeated", appendTo(&o.lists.block))
	flags.Func("allow", "do not block the names in `FILE`; may be repeated", appendTo(&o.lists.allow))
	flags.BoolVar(&o.lists.skip, "skip", false, "skip lines of lists that cannot be read")
	flags.TextVar(&o.answer, "answer", noName, "`ANSWER` for blocked names: nxdomain, zero or drop")
	flags.Func("unreadable", "`VERDICT` for messages that cannot be read: drop or accept (default drop)", func(text string) error {
		if text != "drop" && text != "accept" {
			return errors.New("want drop or accept")
		}
		o.lenient = text == "accept"
		return nil
	})
	err = flags.Parse(args)
	o.lists.names = flags.Args()
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(help, "Usage: dnssink [flags] [NAME ...]\n\nDnssink blocks names: it changes or drops the DNS responses about them.\n\n")
		flags.SetOutput(help)
		flags.PrintDefaults()
	}
	return o, err
}

func appendTo(list *[]string) func(string) error {
	return func(text string) error {
		*list = append(*list, text)
		return nil
	}
}

// run filters until ctx ends. Each hangup reads the lists again.
func run(ctx context.Context, o options, hangups <-chan os.Signal, out io.Writer) error {
	set, skipped, err := o.lists.load()
	if err != nil {
		return err
	}
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
	s := &sink{names: set, answer: o.answer, lenient: o.lenient, notes: newNotes(out)}
	defer s.notes.close()
	s.notes.skipped(skipped)
	s.notes.printf("dnssink: %v; answer %v, queue %d\n", set, o.answer, o.queue)
	reloaded := o.lists.reload(ctx, hangups)
	for packets := q.Packets(); ; {
		select {
		case p, ok := <-packets:
			if !ok {
				s.summarize(q.Stats())
				return q.Err()
			}
			if err := s.decide(p); err != nil && !errors.Is(err, queue.ErrDecided) {
				s.notes.printf("dnssink: %v\n", err)
			}
		case r := <-reloaded:
			s.change(r)
		}
	}
}

// change takes lists that were read again.
func (s *sink) change(r loaded) {
	if r.err != nil {
		s.notes.printf("dnssink: nothing changed: %v\n", r.err)
		return
	}
	s.names = r.names
	s.notes.skipped(r.skipped)
	s.notes.printf("dnssink: now %v\n", s.names)
}

func (s *sink) summarize(stats queue.Stats) {
	passed := "dropped"
	if s.lenient {
		passed = "passed"
	}
	s.notes.printf("dnssink: %d packets: %d blocked, %d unreadable and %s; %d passed undecided\n",
		stats.Received, s.refused, s.unreadable, passed, stats.Expired+stats.Overflowed+stats.Missed)
}

// skipped prints which lines of lists were not understood.
func (n *notes) skipped(errs []error) {
	for _, err := range errs {
		n.printf("dnssink: skipped: %v\n", err)
	}
}
