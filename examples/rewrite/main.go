// Rewrite replaces a text with another one in the data of UDP datagrams and TCP
// segments, over IPv4 and IPv6, and prints a line for each packet that has it.
// It needs CAP_NET_ADMIN, and a rule that feeds the queue:
//
//	iptables -I OUTPUT -p udp --dport 9999 -j NFQUEUE --queue-num 0 --queue-bypass
//	nft insert rule inet filter output udp dport 9999 queue num 0 bypass
//
// For example
//
//	rewrite -from hello -to "good morning"
//	rewrite -from 'password=\x00' -to 'password=?' -queue 3
//
// The texts may have the escapes of Go strings. In a datagram the new one may
// be of any length; should that make it larger than the MTU, it is fragmented
// or dropped like any other. TCP counts bytes: once a segment has another
// length, every later one of both sides, their acknowledgements and those of
// SACK must be renumbered, and a retransmission, cut at other places, must be
// rewritten to the same bytes. That is a proxy's work (examples/proxy leads
// connections to one), so here a text in TCP can only become one that is as
// long, or shorter and padded:
//
//	rewrite -from "gzip, deflate" -to identity -pad " "
//
// A text that is split over two segments, or fragments, is not found. Packets
// that cannot be rewritten pass as they are, and the line says why. The program
// ends at Ctrl-C or SIGTERM.
package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/ipqueue/ipqueue/examples/internal/cli"
	"github.com/ipqueue/ipqueue/examples/internal/lines"
	"github.com/ipqueue/ipqueue/queue"
)

var program = cli.Program{Name: "rewrite", About: "Rewrite puts another text in the place of one in the packets of a queue."}

func main() {
	c, r, err := parse(os.Args[1:], os.Stdout)
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = run(ctx, c, r)
	}
	program.Exit(err)
}

// run rewrites the packets of the queue until ctx ends.
func run(ctx context.Context, c queue.Config, r *rewriter) error {
	q, err := queue.Open(ctx, c)
	if err != nil {
		return err
	}
	defer q.Close()
	out := lines.New(os.Stdout)
	out.Printf("rewrite: queue %d\n", c.Number)
	for p := range q.All() {
		if err := r.decide(p, out); err != nil {
			out.Printf("%v\n", err)
		}
	}
	return errors.Join(q.Err(), out.Close())
}

// decide gives the packet its verdict, and prints a line if it has the text.
func (r *rewriter) decide(p queue.Packet, out *lines.Printer) error {
	if !bytes.Contains(p.Payload, r.from) {
		return p.Accept()
	}
	data, matches, err := r.rewrite(p)
	if matches == 0 && err == nil {
		return p.Accept() // the text is in the headers
	}
	line := p.String() // Payload is valid until the verdict
	if err == nil {
		err = p.ReplaceData(data)
	}
	// What ReplaceData refuses, for example as too long, is still undecided.
	if err != nil {
		out.Printf("%s: not rewritten: %v\n", line, err)
		return p.Accept()
	}
	out.Printf("%s: %d replaced, now %d bytes of data\n", line, matches, len(data))
	return nil
}
