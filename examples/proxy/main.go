// Proxy decides, at the first packet of each TCP connection, whether the
// connection goes to a transparent proxy on this host. It decides by destination
// and sets a mark; a rule redirects connections with that mark. Only the first
// packet goes through the queue, so later packets cost nothing. It needs
// CAP_NET_ADMIN and two rules: one sends the first packet to the queue, the other
// redirects the connection:
//
//	iptables -t mangle -A OUTPUT -p tcp --syn -m mark --mark 0/3 -j NFQUEUE --queue-num 0 --queue-bypass
//	iptables -t nat -A OUTPUT -p tcp -m mark --mark 1/3 -j REDIRECT --to-ports 3128
//
//	table inet proxy {
//		chain ask { type route hook output priority mangle;
//			tcp flags & (fin | syn | rst | ack) == syn meta mark & 3 == 0 queue num 0 bypass; }
//		chain obey { type nat hook output priority -100;
//			meta l4proto tcp meta mark & 3 == 1 redirect to :3128; }
//	}
//
// For connections that this host forwards, use the hook PREROUTING. For example:
//
//	proxy -to 203.0.113.0/24 -to 2001:db8::/32 -port 80 -port 443
//
// This redirects connections to these networks and ports to the proxy at port 3128
// (squid, redsocks, ...), and marks all others with 2. The verdict is Repeat: the
// packet passes the chain again from its first rule, so that later rules, for
// example with CONNMARK, see the mark. Accept would skip them. Both decisions set a
// mark, because a packet without one would be queued again and again. The other
// bits of the mark do not change, so marks of other programs survive.
//
// The proxy's own connections must not be redirected to it again: give them a mark
// (SO_MARK), or insert "-m owner --uid-owner squid -j RETURN" before these rules.
//
// Marks have other uses as well: "ip rule add fwmark 1/3 table 100" changes the
// route of a connection, and TPROXY at PREROUTING redirects it without changing its
// addresses.
//
// With bypass, connections pass unchanged while the program does not run. Ctrl-C or
// SIGTERM ends it.
package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/ipqueue/ipqueue/examples/internal/cli"
	"github.com/ipqueue/ipqueue/examples/internal/lines"
	"github.com/ipqueue/ipqueue/queue"
)

var program = cli.Program{Name: "proxy", About: "Proxy marks the TCP connections that go to a transparent proxy on this host."}

func main() {
	number, policy, err := parse(os.Args[1:], os.Stdout)
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = run(ctx, number, policy)
	}
	program.Exit(err)
}

// headers is the number of bytes of a SYN that contain its destination.
const headers = 128

// run marks connections until ctx ends.
func run(ctx context.Context, number uint16, policy policy) error {
	// ip_queue cannot mark packets.
	q, err := queue.Open(ctx, queue.Config{Backend: queue.NFQueue, Number: number, Mode: queue.Range(headers)})
	if err != nil {
		return err
	}
	defer q.Close()
	out := lines.New(os.Stdout)
	out.Printf("proxy: queue %d, %v\n", number, policy)
	for p := range q.All() {
		flow, verdict := p.Flow(), policy.judge(p)
		if err := p.Decide(verdict); err != nil {
			out.Printf("%v: %v\n", flow, err)
			_ = p.Drop() // a refused verdict leaves the packet undecided
			continue
		}
		out.Printf("%-7s %v\n", policy.name(verdict), flow)
	}
	return errors.Join(q.Err(), out.Close())
}
