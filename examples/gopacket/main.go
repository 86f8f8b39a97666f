// Gopacket decodes the packets of a queue with the library gopacket. It protects
// a VXLAN endpoint (RFC 7348): it accepts packets of the listed networks and drops
// all others. It needs root, and a rule that sends only VXLAN packets to the queue:
//
//	iptables -I INPUT -p udp --dport 4789 -j NFQUEUE --queue-num 0
//	nft add rule inet filter input udp dport 4789 queue num 0
//
//	cd examples/gopacket && go run . -vni 5,6    # it is a separate module
//
// These rules have no "bypass", so no packet passes while the program does not
// run. Ctrl-C or SIGTERM ends it; it then prints the number of packets.
//
// See filter.go for how long data decoded by gopacket is valid.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/ipqueue/ipqueue/examples/internal/cli"
	"github.com/ipqueue/ipqueue/examples/internal/lines"
	"github.com/ipqueue/ipqueue/examples/internal/numbers"
	"github.com/ipqueue/ipqueue/queue"
)

var program = cli.Program{Name: "gopacket", About: "Gopacket accepts VXLAN packets of the listed networks and drops all others."}

func main() {
	number, networks, err := parse(os.Args[1:], os.Stdout)
	if err == nil {
		err = run(number, networks)
	}
	program.Exit(err)
}

// run filters packets until a signal ends it.
func run(number uint16, networks filter) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	q, err := queue.Open(ctx, queue.Config{Number: number, Mode: queue.Range(enough)})
	if err != nil {
		return err
	}
	defer q.Close()
	out := lines.New(os.Stdout)
	out.Printf("gopacket: queue %d, %s may pass\n", number, numbers.Count(len(networks), "network"))
	for p := range q.All() {
		// Accept and Drop fail only if the packet needs no verdict any more.
		if networks.passes(p.Payload) {
			_ = p.Accept()
		} else {
			_ = p.Drop()
		}
	}
	s := q.Stats()
	out.Printf("gopacket: %d passed, %d dropped\n", s.Accepted, s.Dropped)
	return errors.Join(q.Err(), out.Close())
}

func parse(args []string, help io.Writer) (number uint16, networks filter, err error) {
	flags := program.Flags()
	flags.Func("queue", "queue `N` of nfnetlink_queue (default 0)", numbers.Decimal(&number))
	flags.Func("vni", "accept the VXLAN networks in `LIST`, separated by commas", func(s string) (err error) {
		networks, err = parseNetworks(s)
		return err
	})
	err = program.Parse(flags, args, help)
	if err == nil && len(networks) == 0 {
		err = cli.Misuse("no networks: list some with -vni")
	}
	return number, networks, err
}

// parseNetworks parses a comma-separated list of numbers.
func parseNetworks(list string) (filter, error) {
	networks := make(filter)
	for number := range strings.SplitSeq(list, ",") {
		n, err := strconv.ParseUint(number, 10, 24)
		if err != nil {
			return nil, fmt.Errorf("want comma-separated numbers from 0 to 16777215, not %q", number)
		}
		networks[uint32(n)] = true
	}
	return networks, nil
}
