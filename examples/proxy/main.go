// Proxy decides, at the first packet of each TCP connection, whether the
// connection goes to a transparent proxy on this host. Its policy is the
// destination; its decision is a mark, upon which a rule redirects the
// connection. No other packet leaves the kernel, so that it costs nothing once
// the connection is there. It needs CAP_NET_ADMIN and two rules, one that asks
// it and one that obeys:
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
// For connections that this host forwards the hook is PREROUTING. For example
//
//	proxy -to 203.0.113.0/24 -to 2001:db8::/32 -port 80 -port 443
//
// sends connections to these networks and ports through whatever listens at
// port 3128 (squid, redsocks, ...), and marks all others with 2. The verdict is
// Repeat: the packet meets the chain again from its first rule, so that rules
// behind the one that asked see the mark, CONNMARK say. With Accept they would
// be left out. This is why each decision has a mark: without one the packet
// would be asked about for ever. No other bit of the packet's mark changes, so
// that the marks of other programs survive.
//
// The proxy's own connections must not end up in the proxy again: give them a
// mark (SO_MARK), or put "-m owner --uid-owner squid -j RETURN" in front.
//
// A mark can do more: "ip rule add fwmark 1/3 table 100" takes the connection
// another way, TPROXY at PREROUTING leaves its addresses as they are.
//
// Without the program connections go on directly, which is what bypass says. It
// ends at Ctrl-C or SIGTERM.
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

var program = cli.Program{Name: "proxy", About: "Proxy marks TCP connections, by their destination, for a transparent proxy on this host."}

func main() {
	number, policy, err := parse(os.Args[1:], os.Stdout)
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = run(ctx, number, policy)
	}
	program.Exit(err)
}

// headers is how much of a SYN tells where it goes.
const headers = 128

// run decides about connections until ctx ends.
func run(ctx context.Context, number uint16, policy policy) error {
	q, err := queue.Open(ctx, queue.Config{Number: number, Mode: queue.Range(headers)})
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
			continue
		}
		out.Printf("%-7s %v\n", policy.name(verdict), flow)
	}
	return errors.Join(q.Err(), out.Close())
}
