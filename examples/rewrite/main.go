// Rewrite replaces a text in the data of UDP datagrams and TCP segments, over IPv4
// and IPv6. It prints a line for each packet that contains the text. It needs
// CAP_NET_ADMIN, and a rule that sends packets to the queue:
//
//	iptables -I OUTPUT -p udp --dport 9999 -j NFQUEUE --queue-num 0 --queue-bypass
//	nft insert rule inet filter output udp dport 9999 queue num 0 bypass
//
// For example:
//
//	rewrite -from hello -to "good morning"
//	rewrite -from 'password=\x00' -to 'password=?' -queue 3
//
// The texts may contain the escapes of Go strings.
//
// In a datagram the new text may have any length. If the datagram becomes larger
// than the MTU, it is fragmented or dropped as usual.
//
// TCP numbers bytes. If the length of a segment changed, all later sequence and
// acknowledgement numbers of both sides, including those of SACK, would have to
// change, and a retransmission with other boundaries would have to result in the
// same bytes. That needs a proxy (see examples/proxy). Here the new text in TCP
// must have the same length, or be shorter and padded:
//
//	rewrite -from "gzip, deflate" -to identity -pad " "
//
// The program does not find a text that is split over two segments or fragments.
// Packets that it cannot rewrite pass unchanged, and the line contains the reason.
// Ctrl-C or SIGTERM ends it.
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
	"github.com/ipqueue/ipqueue/examples/internal/numbers"
	"github.com/ipqueue/ipqueue/queue"
)

var program = cli.Program{Name: "rewrite", About: "Rewrite replaces a text in the UDP and TCP packets of a queue by another text."}

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

// decide gives the verdict on a packet, and prints a line if it contains the text.
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
	// After an error of ReplaceData, for example too long, the packet is still
	// undecided.
	if err != nil {
		out.Printf("%s: not rewritten: %v\n", line, err)
		return p.Accept()
	}
	out.Printf("%s: %d replaced, now %s of data\n", line, matches, numbers.Count(len(data), "byte"))
	return nil
}
