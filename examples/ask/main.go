// Ask holds the first packet of each new TCP connection and asks the person at
// the terminal whether to allow the connection.
//
//	go build ./examples/ask
//	sudo ./ask -wait 30s -default drop
//
// These rules send packets to the queue:
//
//	iptables -I OUTPUT -p tcp --syn -j NFQUEUE --queue-num 0 --queue-bypass
//	ip6tables -I OUTPUT -p tcp --syn -j NFQUEUE --queue-num 0 --queue-bypass
//	nft insert rule inet filter output 'tcp flags & (fin|syn|rst|ack) == syn queue flags bypass to 0'
//
// A question shows the packet and the id of the user who sent it:
//
//	#7 Output eth0: TCP 10.0.0.1:40000 > 192.0.2.1:443 SYN, 60 bytes, uid 1000
//	connect to 192.0.2.1:443: yes, always, no or block?
//
// An answer applies to all connections to the same address and port. Type a word,
// or its first letter, and Enter. With yes and no, the answer is for the
// connections that wait now, including retransmissions of their SYN. With always
// and block, it is also for all later connections, until the program ends. The
// program asks one question at a time and ignores input while there is none.
//
// A packet without an answer after -wait gets the verdict -default, drop or accept.
// So do packets beyond 64 questions or 16 packets for one question, and all packets
// after the end of the input. Existing connections, such as that of a remote
// terminal, are not affected. Ctrl-C ends the program; then all connections pass.
//
// Do not suspend the program (Ctrl-Z): no packet would get a verdict, not even the
// default.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/ipqueue/ipqueue/examples/internal/cli"
	"github.com/ipqueue/ipqueue/examples/internal/numbers"
	"github.com/ipqueue/ipqueue/queue"
)

var program = cli.Program{Name: "ask", About: "Ask asks at the terminal whether to allow each new TCP connection."}

func main() {
	o, err := parse(os.Args[1:], os.Stdout)
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = run(ctx, o, os.Stdin, os.Stdout)
	}
	program.Exit(err)
}

// options are the values of the command line.
type options struct {
	queue    uint16
	wait     time.Duration
	standard queue.Action // the verdict on packets without an answer
}

func parse(args []string, help io.Writer) (o options, err error) {
	o.standard = queue.Drop
	flags := program.Flags()
	flags.Func("queue", "queue `N` of nfnetlink_queue (default 0)", numbers.Decimal(&o.queue))
	flags.DurationVar(&o.wait, "wait", 30*time.Second, "wait at most `TIME` for an answer")
	flags.Func("default", "`VERDICT` for packets without an answer: drop or accept (default drop)", func(s string) (err error) {
		o.standard, err = parseVerdict(s)
		return err
	})
	err = program.Parse(flags, args, help)
	if err == nil && o.wait <= 0 {
		err = cli.Misuse("-wait must be above 0")
	}
	return o, err
}

// run asks until ctx ends.
func run(ctx context.Context, o options, in io.Reader, out io.Writer) error {
	const headers = 128 // IPv6 with extensions and TCP without options
	q, err := queue.Open(ctx, queue.Config{
		Number:     o.queue,
		Mode:       queue.Range(headers),
		Owner:      true,
		Deadline:   o.wait,
		OnDeadline: o.standard,
		WhenFull:   o.standard,
		OnClose:    o.standard,
		FailOpen:   o.standard == queue.Accept,
	})
	if err != nil {
		return err
	}
	t := openTerminal(in, out)
	t.say("ask: queue %d, packets without an answer are %s after %v", o.queue, done(o.standard), o.wait)
	a := newAsker(o.wait, o.standard, t.say)
	serve(q, t, a)
	q.Close() // waiting packets get the default even if the output below blocks
	s := q.Stats()
	t.say("ask: %s: %d decided, %d %s without an answer, %d at the end",
		numbers.Count(s.Received, "packet"), s.Decided-a.defaulted, a.defaulted+s.Expired+s.Overflowed, done(o.standard), s.Abandoned)
	return errors.Join(q.Err(), t.close())
}

// serve handles packets, questions and answers until the stream of packets ends.
func serve(q *queue.Queue, t *terminal, a *asker) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	answers := t.answers
	for packets := q.Packets(); ; {
		question, texts := a.next(time.Now()), t.texts
		if question == "" {
			texts = nil
		}
		select {
		case p, ok := <-packets:
			if !ok {
				return
			}
			a.take(p, time.Now())
		case texts <- text{question, true}:
			a.shown = true
		case given, ok := <-answers:
			if ok {
				a.answer(given)
			} else {
				a.end()
				answers = nil
			}
		case now := <-ticker.C:
			a.expire(now)
		}
	}
}
