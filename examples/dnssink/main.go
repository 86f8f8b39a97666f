// Dnssink blocks DNS names: a client that asks a DNS server for one of them
// gets the answer that the name does not exist. It is a good start for a filter
// of your own.
//
//	go build ./examples/dnssink
//	sudo ./dnssink ads.example.com .example.net
//	sudo ./dnssink -list names.txt -allow mine.txt -answer zero
//
// A name matches only itself; ".example.net" matches example.net and all names
// below it. Lists may have any format that package names in this directory
// describes: hosts files, adblock rules, dnsmasq, unbound, response policy
// zones. If a line cannot be read, the program ends; with -skip it ignores the
// line. Names in an -allow list are not blocked. SIGHUP makes the program read
// all lists again; if a list contains a mistake, nothing changes.
//
// These rules send the responses of DNS servers to the queue:
//
//	iptables -I INPUT -p udp --sport 53 -j NFQUEUE --queue-num 0 --queue-bypass
//	iptables -I INPUT -p tcp --sport 53 -j NFQUEUE --queue-num 0 --queue-bypass
//	ip6tables -I INPUT -p udp --sport 53 -j NFQUEUE --queue-num 0 --queue-bypass
//	ip6tables -I INPUT -p tcp --sport 53 -j NFQUEUE --queue-num 0 --queue-bypass
//	nft insert rule inet filter input meta l4proto '{ tcp, udp }' th sport 53 queue flags bypass to 0
//
// On a router, use FORWARD instead of INPUT.
//
// The program blocks a response if its question is a listed name, or if its
// answers lead to one (CNAME, DNAME, HTTPS, SVCB, SRV, MX, NS, PTR and others).
// It replaces a UDP response by another one to the same question. -answer
// selects nxdomain (no such name), zero (the address 0.0.0.0 or ::, and no
// other data) or drop (no response at all; rules with --dport 53 in OUTPUT then
// also keep the questions on this machine). The new response contains the DNS
// cookie of the old one, and the reason Blocked. A TCP connection is reset.
//
// The program drops a message that it cannot read completely, because the
// receiver may be able to read it: a malformed one, the first fragment of a
// datagram, and TCP connections that began before the program. With
// "-unreadable accept" all these pass. Later fragments, which have no port,
// always pass: they are useless without the first.
//
// The program cannot answer a question by replacing it, because the replacement
// would go to the server. It does not see names in questions over TLS, QUIC or
// HTTPS; refuse those with other rules. It cannot sign responses (TSIG,
// DNSSEC): their receiver sees a failure instead of the answer.
//
// If the program cannot keep up, packets pass undecided after a second; the
// last line of the output contains their number. Ctrl-C ends the program.
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

	"github.com/ipqueue/ipqueue/examples/dnssink/names"
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
	lists   names.Lists
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
	flags.Func("list", "block the names in `FILE`; may be repeated", appendTo(&o.lists.Block))
	flags.Func("allow", "do not block the names in `FILE`; may be repeated", appendTo(&o.lists.Allow))
	flags.BoolVar(&o.lists.Skip, "skip", false, "skip lines of lists that cannot be read")
	flags.TextVar(&o.answer, "answer", noName, "`ANSWER` for blocked names: nxdomain, zero or drop")
	flags.Func("unreadable", "`VERDICT` for messages that cannot be read: drop or accept (default drop)", func(text string) error {
		if text != "drop" && text != "accept" {
			return errors.New("want drop or accept")
		}
		o.lenient = text == "accept"
		return nil
	})
	err = flags.Parse(args)
	o.lists.Names = flags.Args()
	if err == nil && o.lists.Empty() {
		err = errors.New("there are no names to block: list some, or use -list")
	}
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(help, "Usage: dnssink [flags] [NAME ...]\n\nDnssink blocks names: it changes or drops the DNS responses about them.\n\n")
		flags.SetOutput(help)
		flags.PrintDefaults()
	} else if err != nil {
		err = fmt.Errorf("%w (see dnssink -h)", err)
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
	first := o.lists.Load()
	if first.Err != nil {
		return first.Err
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
	s := &sink{names: first.Set, answer: o.answer, lenient: o.lenient, notes: newNotes(out)}
	s.notes.skipped(first.Skipped)
	s.notes.printf("dnssink: %v; answer %v, queue %d\n", s.names, o.answer, o.queue)
	reloaded := o.lists.Reload(ctx, hangups)
	for packets := q.Packets(); ; {
		select {
		case p, ok := <-packets:
			if !ok {
				s.summarize(q.Stats())
				return errors.Join(q.Err(), s.notes.close())
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
func (s *sink) change(r names.Loaded) {
	if r.Err != nil {
		s.notes.printf("dnssink: nothing changed: %v\n", r.Err)
		return
	}
	s.names = r.Set
	s.notes.skipped(r.Skipped)
	s.notes.printf("dnssink: now %v\n", s.names)
}

func (s *sink) summarize(stats queue.Stats) {
	passed := "dropped"
	if s.lenient {
		passed = "passed"
	}
	s.notes.printf("dnssink: %d received, %d blocked, %d unreadable and %s, %d passed undecided\n",
		stats.Received, s.refused, s.unreadable, passed, stats.Expired+stats.Overflowed+stats.Missed)
}

// skipped prints the lines of lists that could not be read.
func (n *notes) skipped(errs []error) {
	for _, err := range errs {
		n.printf("dnssink: skipped: %v\n", err)
	}
}
