// Firewall decides by the headers of a flow's first packet, following a text
// file, and leaves the rest of the flow to the kernel:
//
//	go build ./examples/firewall
//	sudo ./firewall -policy policy.txt
//
// The first line that matches a packet decides it:
//
//	accept tcp to port 443
//	accept udp from 10.0.0.0/8 to 192.0.2.1 port 53
//	drop icmp                        # protocols: icmp, icmpv6, tcp, udp, sctp
//	accept to 2001:db8::/32
//	accept tcp from port 1024-65535 to port 80
//	default drop                     # what no line matches
//
// The rules that feed the queue, in this order; the same in INPUT or FORWARD,
// for what comes from elsewhere:
//
//	iptables -A OUTPUT -m mark --mark 1 -j CONNMARK --save-mark
//	iptables -A OUTPUT -m connmark --mark 1 -j ACCEPT
//	iptables -A OUTPUT -j NFQUEUE --queue-num 0
//	iptables -A INPUT -m connmark --mark 1 -j ACCEPT
//	ip6tables -A OUTPUT -m mark --mark 1 -j CONNMARK --save-mark
//	ip6tables -A OUTPUT -m connmark --mark 1 -j ACCEPT
//	ip6tables -A OUTPUT -j NFQUEUE --queue-num 0
//	ip6tables -A INPUT -m connmark --mark 1 -j ACCEPT
//	nft add rule inet filter output meta mark 1 ct mark set meta mark
//	nft add rule inet filter output ct mark 1 accept
//	nft add rule inet filter output queue to 0
//
// A verdict of Accept would end the chain at the rule to the queue, and no rule
// of it could save a mark. So an accepted packet gets mark 1 and is repeated: it
// comes through the chain again, where the first rule saves the mark for its
// flow and the second accepts it, as it will all later packets and, in the
// other direction, the answers. What is dropped leaves nothing in the kernel,
// and its flow's next packet is queued again.
//
// SIGHUP reads the file again; a file with a mistake changes nothing. Flows
// accepted before stay so ("conntrack -F" ends that). -mark 0 is for rules
// without marks: every packet is then decided here. Ctrl-C ends the program,
// and the rules then drop what is not accepted yet ("--queue-bypass" passes it).
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

	"github.com/ipqueue/ipqueue/examples/internal/numbers"
	"github.com/ipqueue/ipqueue/queue"
)

func main() {
	o, err := parse(flag.CommandLine, os.Args[1:])
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		reload := make(chan os.Signal, 1)
		signal.Notify(reload, hangup)
		err = run(ctx, o, reload, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "firewall:", err)
		os.Exit(1)
	}
}

// options are the command line's.
type options struct {
	queue uint16
	mark  uint32
	file  string
}

func parse(flags *flag.FlagSet, args []string) (o options, err error) {
	o.mark = 1
	flags.Func("queue", "queue `N` (default 0)", numbers.Decimal(&o.queue))
	flags.Func("mark", "`mark` of accepted flows, 0 for none (default 1)", numbers.Mark(&o.mark))
	flags.StringVar(&o.file, "policy", "", "`file` of the policy")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.file == "" || flags.NArg() > 0 {
		err = errors.New("want -policy and a file, and nothing else")
	}
	return o, err
}

// run filters until ctx ends.
func run(ctx context.Context, o options, reload <-chan os.Signal, out io.Writer) error {
	rules, err := loadPolicy(o.file)
	if err != nil {
		return err
	}
	const headers = 128 // IPv6 with extensions and ports
	q, err := queue.Open(ctx, queue.Config{Number: o.queue, Mode: queue.Range(headers)})
	if err != nil {
		return err
	}
	defer q.Close()
	fmt.Fprintf(out, "firewall: %d rules, queue %d\n", len(rules.rules), o.queue)
	for packets := q.Packets(); ; {
		select {
		case p, ok := <-packets:
			if !ok {
				return q.Err()
			}
			if err := decide(p, rules, o.mark); err != nil {
				fmt.Fprintln(out, err)
			}
		case <-reload: // meanwhile packets wait in the channel
			if changed, err := loadPolicy(o.file); err != nil {
				fmt.Fprintln(out, "nothing changed:", err)
			} else {
				rules = changed
				fmt.Fprintf(out, "firewall: now %d rules\n", len(rules.rules))
			}
		}
	}
}

var errCameBack = errors.New("a packet came back with its mark: the rules before the queue do not heed -mark")

// decide gives a packet its verdict.
func decide(p queue.Packet, rules *policy, mark uint32) error {
	switch accepted := rules.accepts(p.Flow()); {
	case !accepted:
		return p.Drop()
	case mark == 0:
		return p.Accept()
	case p.Mark == mark:
		return errors.Join(errCameBack, p.Accept())
	}
	return p.Decide(queue.Verdict{Action: queue.Repeat, Mark: mark})
}
