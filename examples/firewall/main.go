// Firewall decides the first packet of each flow by a policy in a text file,
// and lets the kernel handle the rest of the flow.
//
//	go build ./examples/firewall
//	sudo ./firewall -policy policy.txt
//
// The first line that matches a packet decides it. The conditions are optional
// and may be in any order:
//
//	accept in lo                     # interfaces by name, or as in eth*
//	accept out lo
//	accept tcp to port 443
//	accept udp from 10.0.0.0/8 to 192.0.2.1 port 53
//	accept in eth0 tcp from port 1024-65535 to port 22
//	accept icmp type echo-request    # ICMP types by nft's names or by number
//	accept icmpv6 type 128
//	drop to 2001:db8::/32            # protocols: tcp, udp, icmp, icmpv6, sctp, gre, ... or a number
//	reject out eth0 tcp to port 25   # drop, and notify the sender
//	default drop                     # packets that no line matches
//
// IPv6 neighbour discovery is accepted unless a line drops or rejects it: the
// default does not apply to it. The program warns if a policy would disconnect
// the machine from the network.
//
// These shell commands install the rules that send packets to the queue, for
// both IP versions. They are for packets from and to this machine; for packets
// that it routes, use FORWARD:
//
//	for tables in iptables ip6tables; do
//		$tables -N accepted
//		$tables -A accepted -j CONNMARK --save-mark --nfmask 1 --ctmask 1
//		$tables -A accepted -j MARK --set-xmark 0/1
//		$tables -A accepted -j ACCEPT
//		$tables -N queued
//		$tables -A queued -m mark --mark 1/1 -j accepted
//		$tables -A queued -m connmark --mark 1/1 -j ACCEPT
//		$tables -A queued -m conntrack --ctstate RELATED -j ACCEPT
//		$tables -A queued -p tcp -m mark --mark 2/2 -j REJECT --reject-with tcp-reset
//		$tables -A queued -m mark --mark 2/2 -j REJECT
//		$tables -A queued -j NFQUEUE --queue-num 0
//		$tables -A INPUT -j queued
//		$tables -A OUTPUT -j queued
//	done
//
// With nft, one table serves both IP versions, for example in
// /etc/nftables.conf:
//
//	table inet firewall {
//		chain queued {
//			meta mark & 1 == 1 ct mark set ct mark | 1
//			meta mark & 1 == 1 meta mark set meta mark & 0xfffffffe accept
//			ct mark & 1 == 1 accept
//			ct state related accept
//			meta mark & 2 == 2 meta l4proto tcp reject with tcp reset
//			meta mark & 2 == 2 reject
//			queue num 0
//		}
//		chain input { type filter hook input priority filter; jump queued; }
//		chain output { type filter hook output priority filter; jump queued; }
//	}
//
// The verdict Accept would end the chain at the rule with the queue, so that no
// later rule could save a mark. Instead, the program sets mark 1 on an accepted
// packet and repeats it: the packet passes the chain again. The first rules
// save the mark for its flow, remove it from the packet and accept the packet,
// whether or not conntrack tracks it. The next rule accepts all later packets
// of the flow, in both directions. A rejected packet gets mark 2, and a rule
// rejects it. The kernel's answer is RELATED. (So are connections that a
// conntrack helper expects, if you use one.) A dropped packet changes nothing
// in the kernel, so the next packet of its flow is queued again.
//
// Marks are single bits here. The other bits do not change, and accepted
// packets leave with the mark that they had, so that "ip rule ... fwmark 51820"
// of a VPN still matches. -mark and -reject select other bits if another
// program uses these.
//
// A flow that began before the program is decided by its next packet, in either
// direction. If no line accepts that packet, packets are dropped until one
// arrives that a line accepts.
//
// SIGHUP makes the program read the file again; with -watch it also does so
// when the file changes. If the file contains a mistake, nothing changes. Flows
// accepted earlier stay accepted; "conntrack -F" ends that. -mark 0 is for
// rules without marks: the program then decides every packet, including
// replies, and can also use ip_queue ("-j QUEUE"; -6 for ip6_queue). Ctrl-C
// ends the program. The rules then drop packets of flows that are not accepted
// yet; with "--queue-bypass" they pass.
//
// The program prints dropped packets with the line of the policy that dropped
// them, at most 10 per second (-log). -listen serves /healthz and /metrics over
// HTTP.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/ipqueue/ipqueue/examples/internal/cli"
	"github.com/ipqueue/ipqueue/examples/internal/lines"
	"github.com/ipqueue/ipqueue/examples/internal/numbers"
	"github.com/ipqueue/ipqueue/queue"
)

var program = cli.Program{Name: "firewall", About: "Firewall accepts, drops or rejects the first packet of each flow by a policy."}

func main() {
	o, err := parse(os.Args[1:], os.Stdout)
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		reload := make(chan os.Signal, 1)
		signal.Notify(reload, hangup)
		err = run(ctx, o, reload, os.Stdout)
	}
	program.Exit(err)
}

// options are the values of the command line.
type options struct {
	queue.Config
	accepted, rejected mark
	file               string
	watch              bool
	log                uint16 // lines about dropped packets, each second
	listen             string // address of the HTTP server, or ""
}

func parse(args []string, help io.Writer) (options, error) {
	const headers = 128 // IPv6 with extensions and ports
	o := options{
		Config:   queue.Config{Mode: queue.Range(headers)},
		accepted: mark{1, 1}, rejected: mark{2, 2}, log: 10,
	}
	flags := program.Flags()
	cli.Queue(flags, &o.Config)
	flags.Var(&o.accepted, "mark", "set mark `VALUE[/MASK]` on accepted packets, 0 for none")
	flags.Var(&o.rejected, "reject", "set mark `VALUE[/MASK]` on rejected packets")
	flags.StringVar(&o.file, "policy", "", "read the policy from `FILE`")
	flags.BoolVar(&o.watch, "watch", false, "read the policy again when its file changes")
	flags.Func("log", "print at most `N` dropped packets per second (default 10)", numbers.Decimal(&o.log))
	flags.StringVar(&o.listen, "listen", "", "serve /healthz and /metrics at `ADDRESS`, for example :9764")
	if err := program.Parse(flags, args, help); err != nil {
		return o, err
	}
	switch {
	case o.file == "":
		return o, cli.Misuse("want -policy and a file")
	case o.accepted.clashes(o.rejected):
		return o, cli.Misuse("rules cannot distinguish -mark %v and -reject %v", o.accepted, o.rejected)
	}
	return o, nil
}

// run filters until ctx ends.
func run(ctx context.Context, o options, reload <-chan os.Signal, out io.Writer) error {
	changed := changes(ctx, o) // a change after the policy is read must not be missed
	rules, err := o.load()
	if err != nil {
		return err
	}
	f := &firewall{policy: rules, accepted: o.accepted, rejected: o.rejected}
	serve, err := listen(o.listen, f)
	if err != nil {
		return err
	}
	defer serve.Close()
	q, err := queue.Open(ctx, o.Config)
	if err != nil {
		return err
	}
	defer q.Close()
	if q.Backend() == queue.IPQueue && (o.accepted != mark{} || rules.rejects()) {
		return errors.New("ip_queue cannot mark packets: use -mark 0, and no reject in the policy")
	}
	f.queue.Store(q)
	printer := lines.New(out)
	f.lost.printf, f.lost.limit = printer.Printf, int(o.log)
	f.trouble.printf, f.trouble.limit = printer.Printf, 1
	printer.Printf("firewall: %s, %s\n", numbers.Count(len(rules.rules), "rule"), cli.QueueName(q, o.Family))
	f.warn(printer)
	f.loop(q, o, reload, changed, printer)
	f.lost.next() // prints how many lines were left out last
	f.trouble.next()
	printer.Printf("firewall: %v\n", &f.counts)
	return errors.Join(q.Err(), printer.Close())
}

// load reads the policy and makes sure that it can be carried out.
func (o options) load() (*policy, error) {
	p, err := loadPolicy(o.file)
	if err == nil && p.rejects() && o.rejected == (mark{}) {
		err = fmt.Errorf("%s: reject needs a mark, and -reject is 0", o.file)
	}
	return p, err
}

// loop decides packets until there are no more.
func (f *firewall) loop(q *queue.Queue, o options, reload <-chan os.Signal, changed <-chan struct{}, out *lines.Printer) {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for packets := q.Packets(); ; {
		select {
		case p, ok := <-packets:
			if !ok {
				return
			}
			f.decide(p)
		case <-reload: // meanwhile packets wait in the channel
			f.reload(o, out)
		case <-changed:
			f.reload(o, out)
		case now := <-second.C:
			f.alive.Store(now.UnixNano())
			f.lost.next()
			f.trouble.next()
		}
	}
}

// reload reads the policy again. One with a mistake changes nothing.
func (f *firewall) reload(o options, out *lines.Printer) {
	rules, err := o.load()
	if err != nil {
		f.counts.mistakes.Add(1)
		out.Printf("firewall: nothing changed: %v\n", err)
		return
	}
	f.policy = rules
	out.Printf("firewall: now %s\n", numbers.Count(len(rules.rules), "rule"))
	f.warn(out)
}

// warn prints the traffic that the policy would block although machines need
// it.
func (f *firewall) warn(out *lines.Printer) {
	f.counts.rules.Store(int64(len(f.policy.rules)))
	for _, warning := range f.policy.warnings(f.accepted != (mark{})) {
		out.Printf("firewall: warning: %s\n", warning)
	}
}
