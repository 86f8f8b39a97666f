// Sniblock refuses TLS and QUIC connections by the name of the server. It reads
// the name in the first message of the client (SNI, in the ClientHello), even
// if that message is split over many segments, records or datagrams, in any
// order and over any time.
//
//	go build ./examples/sniblock
//	sudo ./sniblock -mark 1 -reset 2 ads.example.com .example.net
//	sudo ./sniblock -list names.txt -allow exceptions.txt
//
// A name matches only itself; ".example.net" matches example.net and all names
// below it. Lists may have any format of package examples/dnssink/names. If a
// line cannot be read, the program ends; with -skip it ignores the line. SIGHUP
// makes the program read all lists again; if a list contains a mistake, nothing
// changes. These rules send packets of clients to the queue:
//
//	iptables -A OUTPUT -p tcp -m mark --mark 1/3 -j CONNMARK --save-mark --nfmask 1 --ctmask 1
//	iptables -A OUTPUT -p tcp -m mark --mark 1/3 -j MARK --set-xmark 0/3
//	iptables -A OUTPUT -p tcp -m mark --mark 2/3 -j REJECT --reject-with tcp-reset
//	iptables -A OUTPUT -p udp -m mark --mark 2/3 -j REJECT
//	iptables -A OUTPUT -p tcp --dport 443 -m connmark ! --mark 1/1 -j NFQUEUE --queue-num 0 --queue-bypass
//	iptables -A OUTPUT -p udp --dport 443 -j NFQUEUE --queue-num 0 --queue-bypass
//	ip6tables -A OUTPUT -p tcp -m mark --mark 1/3 -j CONNMARK --save-mark --nfmask 1 --ctmask 1
//	ip6tables -A OUTPUT -p tcp -m mark --mark 1/3 -j MARK --set-xmark 0/3
//	ip6tables -A OUTPUT -p tcp -m mark --mark 2/3 -j REJECT --reject-with tcp-reset
//	ip6tables -A OUTPUT -p udp -m mark --mark 2/3 -j REJECT
//	ip6tables -A OUTPUT -p tcp --dport 443 -m connmark ! --mark 1/1 -j NFQUEUE --queue-num 0 --queue-bypass
//	ip6tables -A OUTPUT -p udp --dport 443 -j NFQUEUE --queue-num 0 --queue-bypass
//
// On a router, use FORWARD instead of OUTPUT. With nft:
//
//	nft add rule inet filter output meta mark and 3 == 1 ct mark set ct mark or 1
//	nft add rule inet filter output meta mark and 3 == 1 meta mark set meta mark and 0xfffffffc
//	nft add rule inet filter output meta mark and 3 == 2 meta l4proto tcp reject with tcp reset
//	nft add rule inet filter output meta mark and 3 == 2 meta l4proto udp reject
//	nft add rule inet filter output tcp dport 443 ct mark and 1 == 0 queue flags bypass to 0
//	nft add rule inet filter output udp dport 443 queue flags bypass to 0
//
// The rules must be in this order. The rules with marks are for -mark and
// -reset. With -mark, the kernel handles the rest of a TCP connection once its
// name is known. With -reset, a refused client is notified immediately. Without
// these flags only the rules with the queue are needed, and a refused client
// waits until it times out. The flags change no other bits of the mark. The
// second rule removes the mark again: the kernel would route a packet with
// another mark again, and "ip rule ... fwmark" of a VPN would no longer match.
//
// # What is refused
//
// The program refuses a connection if its ClientHello contains a listed name,
// is malformed, or is longer than 64 KiB, or if the client sends different
// bytes for the same position in the stream. The connection stays refused as
// long as the client retries.
//
// The program drops packets that a server may ignore, because they could be
// mistaken for a ClientHello or hide one: packets with a wrong checksum, with
// IPv4 options or IPv6 extension headers, and fragments; TCP segments without
// the ACK flag, outside the window, with urgent data, with an old timestamp,
// with fewer hops left than the SYN had, with a TCP MD5 or TCP-AO option or one
// of invalid length; and QUIC Initial packets that cannot be decrypted. It
// removes the option in a SYN that requests Multipath TCP.
//
// With -quic judge, the program reads the names in QUIC versions 1 and 2, and
// drops other versions of QUIC. With drop, no QUIC connection can start, so
// that browsers fall back to TCP. With pass, all of them can.
//
// The program cannot see encrypted names (ECH). Such a ClientHello contains the
// unencrypted name of a public front, for example cloudflare-ech.com, which can
// be listed. -ech refuse refuses every ClientHello that appears to contain an
// encrypted one. But many browsers send a dummy that cannot be distinguished
// from it.
//
// Traffic other than TLS and QUIC passes, including DTLS, and so does a
// ClientHello without a name. Up to 4 KiB of other data may precede a
// ClientHello, such as a request to a proxy or for STARTTLS.
//
// # Limits
//
// Connections that began before the program pass, but only if the client sends
// something in the first ten minutes. The program uses 64 MiB for TCP
// connections that are undecided or refused (more than 50,000), and 32 MiB for
// QUIC connections. If there are more, it refuses the TCP connections that have
// been silent for the longest time when they continue, and drops new QUIC
// connections. It recognizes an accepted connection by its mark; without -mark
// it remembers the last 65,536. If the program is too slow, the kernel drops
// packets, which clients send again.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/ipqueue/ipqueue/examples/dnssink/names"
	"github.com/ipqueue/ipqueue/examples/internal/cli"
	"github.com/ipqueue/ipqueue/examples/internal/numbers"
	"github.com/ipqueue/ipqueue/queue"
)

var program = cli.Program{
	Name:      "sniblock",
	Arguments: "[NAME ...]",
	About:     "Sniblock refuses TLS and QUIC connections by the name of the server.",
}

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
	queue   uint16
	marks   marks
	quic    quicPolicy
	ech     echPolicy
	verbose bool
	lists   names.Lists
}

func parse(args []string, help io.Writer) (o options, err error) {
	flags := program.Flags()
	flags.Func("queue", "queue `N` of nfnetlink_queue (default 0)", numbers.Decimal(&o.queue))
	flags.Func("mark", "set `MARK` on connections that are not refused, for the rules to save", numbers.Mark(&o.marks.settled))
	flags.Func("reset", "set `MARK` on packets that the rules are to reject", numbers.Mark(&o.marks.refused))
	flags.Func("list", "refuse the names in `FILE`; may be repeated", appendTo(&o.lists.Block))
	flags.Func("allow", "do not refuse the names in `FILE`; may be repeated", appendTo(&o.lists.Allow))
	flags.BoolVar(&o.lists.Skip, "skip", false, "skip lines of lists that cannot be read")
	flags.TextVar(&o.quic, "quic", judgeQUIC, "`POLICY` for QUIC: judge, drop or pass")
	flags.TextVar(&o.ech, "ech", allowECH, "`POLICY` for encrypted names: allow or refuse")
	flags.BoolVar(&o.verbose, "v", false, "print every name")
	if err := program.Parse(flags, args, help); err != nil {
		return o, err
	}
	o.lists.Names = flags.Args()
	if o.marks.settled&o.marks.refused != 0 {
		return o, cli.Misuse("-mark and -reset must have no bit in common")
	}
	if o.lists.Empty() && o.quic != dropQUIC && o.ech != refuseECH {
		return o, cli.Misuse("there are no names to refuse: list some, or use -list")
	}
	for _, name := range o.lists.Names {
		if err := new(names.Set).Add(name); err != nil {
			return o, cli.Misuse("%w", err)
		}
	}
	return o, nil
}

// appendTo returns a function for flag.Func that appends its value.
func appendTo(to *[]string) func(string) error {
	return func(s string) error {
		*to = append(*to, s)
		return nil
	}
}

// The memory for connections that are undecided or refused, the number of
// settled connections to remember, and how long connections that began before
// the program pass.
const (
	tcpMemory  = 64 << 20
	quicMemory = 32 << 20
	mostSettle = 65536
	adoption   = 10 * time.Minute
)

// newFilter returns a filter that starts at the time now.
func newFilter(o options, names *names.Set, r *report, now time.Time) *filter {
	return &filter{
		names:    names,
		quic:     o.quic,
		ech:      o.ech,
		seen:     r.hello,
		tcp:      tcpTable{memory: tcpMemory, until: now.Add(adoption), settled: set[queue.Flow]{most: mostSettle}},
		initials: quicTable{memory: quicMemory},
	}
}

// run filters until ctx ends.
func run(ctx context.Context, o options, reload <-chan os.Signal, out io.Writer) error {
	lists := o.lists.Load()
	if lists.Err != nil {
		return lists.Err
	}
	// Verifying checksums needs whole packets.
	q, err := queue.Open(ctx, queue.Config{Number: o.queue})
	if err != nil {
		return err
	}
	defer q.Close()
	if q.Backend() == queue.IPQueue && o.marks != (marks{}) {
		return errors.New("ip_queue cannot mark packets: leave out -mark and -reset")
	}
	r := newReport(out, o.verbose)
	r.skipped(lists.Skipped)
	r.lines.Printf("sniblock: %v, QUIC: %s, ECH: %s, %s\n", lists.Set, quicPolicies[o.quic], echPolicies[o.ech], cli.QueueName(q, queue.IPv4))
	f := newFilter(o, lists.Set, r, time.Now())
	reloaded := o.lists.Reload(ctx, reload)
	for packets := q.Packets(); ; {
		select {
		case p, ok := <-packets:
			if !ok {
				return errors.Join(q.Err(), r.close())
			}
			flow, outcome := f.judge(p, time.Now())
			r.packet(flow, outcome)
			if err := o.marks.decide(p, outcome); err != nil && !errors.Is(err, queue.ErrDecided) {
				r.lines.Printf("%v\n", err)
			}
		case lists := <-reloaded:
			if lists.Err != nil {
				r.lines.Printf("nothing changed: %v\n", lists.Err)
				continue
			}
			f.names = lists.Set
			r.skipped(lists.Skipped)
			r.lines.Printf("sniblock: now %v\n", lists.Set)
		}
	}
}
