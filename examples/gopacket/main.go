// Gopacket decodes the packets of a queue with gopacket: it guards a VXLAN
// endpoint (RFC 7348), lets the packets of the networks named pass and drops
// all others. It needs root, and a rule that feeds the queue with VXLAN alone:
//
//	iptables -I INPUT -p udp --dport 4789 -j NFQUEUE --queue-num 0
//	nft add rule inet filter input udp dport 4789 queue num 0
//
//	cd examples/gopacket && go run . -vni 5,6    # it is a module of its own
//
// There is no "bypass" in these rules, so that nothing passes unguarded while
// the program does not run. It ends at Ctrl-C or SIGTERM, with a count.
//
// See filter.go for what gopacket may keep of a packet, and for how long.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/ipqueue/ipqueue/examples/internal/cli"
	"github.com/ipqueue/ipqueue/examples/internal/numbers"
	"github.com/ipqueue/ipqueue/queue"
)

var program = cli.Program{Name: "gopacket", About: "Gopacket lets VXLAN packets of the networks named pass and drops all others."}

func main() {
	number, networks, err := parse(os.Args[1:], os.Stdout)
	if err == nil {
		err = run(number, networks)
	}
	program.Exit(err)
}

// run guards until a signal ends it.
func run(number uint16, networks filter) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	q, err := queue.Open(ctx, queue.Config{Number: number, Mode: queue.Range(enough)})
	if err != nil {
		return err
	}
	defer q.Close()
	fmt.Printf("gopacket: queue %d, %s may pass\n", number, numbers.Count(len(networks), "network"))
	for p := range q.All() {
		verdict := queue.Drop
		if networks.passes(p.Payload) {
			verdict = queue.Accept
		}
		// An error would say that the packet has gone, which Stats counts.
		_ = p.Decide(queue.Verdict{Action: verdict})
	}
	s := q.Stats()
	fmt.Printf("gopacket: %d passed, %d dropped\n", s.Accepted, s.Dropped)
	return q.Err()
}

func parse(args []string, help io.Writer) (number uint16, networks filter, err error) {
	flags := program.Flags()
	flags.Func("queue", "queue `N` of nfnetlink_queue (default 0)", numbers.Decimal(&number))
	flags.Func("vni", "VXLAN networks that may pass, a `list` of numbers", func(s string) (err error) {
		networks, err = parseNetworks(s)
		return err
	})
	err = program.Parse(flags, args, help)
	if err == nil && len(networks) == 0 {
		err = cli.Misuse("no networks; name some with -vni")
	}
	return number, networks, err
}

// parseNetworks reads numbers with commas between them.
func parseNetworks(list string) (filter, error) {
	networks := make(filter)
	for number := range strings.SplitSeq(list, ",") {
		n, err := strconv.ParseUint(number, 10, 24)
		if err != nil {
			return nil, fmt.Errorf("want numbers from 0 to 16777215 with commas between them, not %q", number)
		}
		networks[uint32(n)] = true
	}
	return networks, nil
}
