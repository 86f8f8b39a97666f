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
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/ipqueue/ipqueue/examples/internal/numbers"
	"github.com/ipqueue/ipqueue/queue"
)

func main() {
	number, networks := parse()
	if err := run(number, networks); err != nil {
		complain(err)
		os.Exit(1)
	}
}

func complain(err error) { fmt.Fprintln(os.Stderr, "gopacket:", err) }

// run guards until a signal ends it.
func run(number uint16, networks filter) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	q, err := queue.Open(ctx, queue.Config{Number: number, Mode: queue.Range(enough)})
	if err != nil {
		return err
	}
	defer q.Close()
	for p := range q.All() {
		verdict := queue.Drop
		if networks.passes(p.Payload) {
			verdict = queue.Accept
		}
		// An error would say that the packet has gone, which Stats counts.
		_ = p.Decide(queue.Verdict{Action: verdict})
	}
	s := q.Stats()
	fmt.Printf("%d passed, %d dropped\n", s.Accepted, s.Dropped)
	return q.Err()
}

// parse reads the command line. It ends the program if that is wrong.
func parse() (number uint16, networks filter) {
	flag.Func("queue", "queue `N` of nfnetlink_queue (default 0)", numbers.Decimal(&number))
	flag.Func("vni", "VXLAN networks that may pass, a `list` of numbers", func(s string) (err error) {
		networks, err = parseNetworks(s)
		return err
	})
	flag.Parse()
	switch {
	case flag.NArg() > 0:
		complain(fmt.Errorf("unexpected argument %q", flag.Arg(0)))
	case len(networks) == 0:
		complain(errors.New("no networks; name some with -vni"))
	default:
		return number, networks
	}
	flag.Usage()
	os.Exit(2)
	return
}

// parseNetworks reads numbers with commas between them.
func parseNetworks(list string) (filter, error) {
	networks := make(filter)
	for number := range strings.SplitSeq(list, ",") {
		n, err := strconv.ParseUint(number, 10, 24)
		if err != nil {
			return nil, errors.Unwrap(err)
		}
		networks[uint32(n)] = true
	}
	return networks, nil
}
