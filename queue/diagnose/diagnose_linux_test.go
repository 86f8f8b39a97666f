package diagnose_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/queue/diagnose"
)

// runIn examines a queue of the namespace.
func runIn(ns *netns.Namespace, c queue.Config) diagnose.Report {
	c.NetNS = ns.FD()
	return diagnose.Run(context.Background(), c)
}

// openIn opens a queue of the namespace until the test is done.
func openIn(t *testing.T, ns *netns.Namespace, c queue.Config) *queue.Queue {
	t.Helper()
	c.NetNS = ns.FD()
	q, err := queue.Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

func TestKernelRun(t *testing.T) {
	testutil.RequireKernel(t)
	testutil.CheckLeaks(t)
	ns := testutil.NewNamespace(t)
	table, err := ns.AddTable(netns.Inet, "lab")
	if err != nil {
		t.Fatal(err)
	}
	enqueue := func(p netns.Protocol, q netns.Queue) netns.Rule {
		return netns.Rule{Protocol: p, Action: netns.Enqueue, Queue: q}
	}
	if _, err := table.AddChain(netns.Output, 0,
		enqueue(netns.UDP, netns.Queue{First: 7}),
		enqueue(netns.TCP, netns.Queue{First: 9, Last: 11}),
		enqueue(netns.ICMP, netns.Queue{First: 12, Bypass: true}),
		netns.Rule{Protocol: netns.ICMPv6, Action: netns.Drop}); err != nil {
		t.Fatal(err)
	}
	q := openIn(t, ns, queue.Config{Number: 7, Mode: queue.Range(64)})
	openIn(t, ns, queue.Config{Number: 10})
	client, _ := testutil.UDP(t, ns, ns, testutil.Loopback(t).IPv4)
	for range 3 {
		if _, err := client.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	before := q.Stats().Kernel

	r := runIn(ns, queue.Config{Number: 7})
	if r.Worst() != diagnose.Warning {
		t.Errorf("Worst = %v, want Warning", r.Worst())
	}
	wantFinding(t, r, diagnose.Good, diagnose.AboutKernel, "This is Linux")
	wantFinding(t, r, diagnose.Good, diagnose.AboutKernel, "supports FailOpen, GSO packets, Owner")
	wantFinding(t, r, diagnose.Good, diagnose.AboutModule, "nfnetlink_queue")
	wantFinding(t, r, diagnose.Good, diagnose.AboutPrivilege)
	wantFinding(t, r, diagnose.Good, diagnose.AboutQueue, "Queue 7 belongs to netlink port", "Range(64)")
	wantFinding(t, r, diagnose.Note, diagnose.AboutQueue, "Queue 10 belongs to netlink port", "WholePacket")
	wantFinding(t, r, diagnose.Warning, diagnose.AboutLoss, "Queue 7 has 3 packets waiting", "has decided none within a second")
	wantFinding(t, r, diagnose.Good, diagnose.AboutRules, "inet lab filter_hook3_0", "queue 7 sends packets to this queue", "(3 packets so far)")
	wantFinding(t, r, diagnose.Warning, diagnose.AboutRules, "queue 9-11 drops packets", "no program has bound queues 9, 11", "(no packet so far)")
	wantFinding(t, r, diagnose.Note, diagnose.AboutRules, "queue 12 bypass lets packets pass")
	if len(r.Rules) != 3 || len(r.Queues) != 2 {
		t.Errorf("%d rules and %d queues, want 3 and 2: %+v", len(r.Rules), len(r.Queues), r)
	}
	wantFinding(t, runIn(ns, queue.Config{Number: 9}), diagnose.Fault, diagnose.AboutRules, "queue 9-11 drops packets")
	wantFinding(t, runIn(ns, queue.Config{Number: 13}), diagnose.Note, diagnose.AboutQueue, "No program has bound queue 13")

	if after := q.Stats().Kernel; after != before {
		t.Errorf("Run changed the queue from %+v to %+v", before, after)
	}
}

// The kernel refuses exactly the flags that Run reports, whether or not the highest
// queue is bound.
func TestKernelRunFlags(t *testing.T) {
	testutil.RequireKernel(t)
	ns := testutil.NewNamespace(t)
	openIn(t, ns, queue.Config{Number: 65535})
	for name, c := range map[string]queue.Config{
		"FailOpen":        {FailOpen: true},
		"Conntrack":       {Conntrack: true},
		"Owner":           {Owner: true},
		"SecurityContext": {SecurityContext: true},
	} {
		want := diagnose.Good
		c.NetNS = ns.FD()
		q, err := queue.Open(context.Background(), c)
		if err != nil {
			want = diagnose.Fault
		} else if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		wantFinding(t, diagnose.Run(context.Background(), c), want, diagnose.AboutConfig, "Config."+name)
	}
}

// Run finds rules that iptables creates in nftables.
func TestKernelRunIptables(t *testing.T) {
	testutil.RequireKernel(t)
	ns := testutil.NewNamespace(t)
	program, err := exec.LookPath("iptables-nft")
	if err != nil {
		testutil.Lacks(t, testutil.IPTables, err)
	}
	for _, test := range []struct{ args, want string }{
		{"-A OUTPUT -p udp -j NFQUEUE --queue-num 3", "queue 3"},
		{"-A OUTPUT -p udp -j NFQUEUE --queue-balance 4:6 --queue-bypass", "queue 4-6 bypass"},
		{"-A OUTPUT -p udp -j NFQUEUE --queue-balance 4:6 --queue-cpu-fanout", "queue 4-6 fanout"},
	} {
		var out []byte
		err := ns.Do(func() (err error) {
			out, err = exec.Command(program, strings.Fields(test.args)...).CombinedOutput()
			return err
		})
		if err != nil {
			testutil.Lacks(t, testutil.IPTables, fmt.Sprintf("%s: %v\n%s", program, err, out))
		}
		wantRule(t, runIn(ns, queue.Config{}), test.want)
	}
}

// wantRule fails the test unless the last rule ends in the given text.
func wantRule(t testing.TB, r diagnose.Report, want string) {
	t.Helper()
	if n := len(r.Rules); n == 0 || !strings.HasSuffix(r.Rules[n-1].String(), want) {
		t.Errorf("rules %v, want a last one of %s", r.Rules, want)
	}
}

// Run finds rules created by nft, how they choose a queue, and whether packets reach
// them.
func TestKernelRunNFT(t *testing.T) {
	testutil.RequireKernel(t)
	program, err := exec.LookPath("nft")
	if err != nil {
		testutil.Lacks(t, testutil.Program("nft"), err)
	}
	ns := testutil.NewNamespace(t)
	nft := func(command string) (err error) {
		return ns.Do(func() error {
			out, err := exec.Command(program, command).CombinedOutput()
			if err != nil {
				err = fmt.Errorf("nft %s: %w\n%s", command, err, out)
			}
			return err
		})
	}
	if err := nft("add table inet t; add chain inet t base { type filter hook output priority 0; }; " +
		"add chain inet t a; add chain inet t b; add chain inet t c; add rule inet t base udp dport vmap { 1 : jump a, 2 : goto b }; " +
		"add table inet off { flags dormant; }; add chain inet off base { type filter hook output priority 0; }"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		rule, want string
		idle       diagnose.Idle
	}{
		{"t base udp dport 53 counter queue num 5", "queue 5", ""},
		{"t base queue flags bypass,fanout num 5-7", "queue 5-7 fanout bypass", ""},
		{"t base queue to numgen inc mod 3 offset 20", "queue 20-22 by numgen", ""},
		{"t base queue flags bypass to symhash mod 2", "queue 0-1 by symhash bypass", ""},
		{"t base queue to jhash ip saddr mod 4", "queue 0-3 by jhash", ""},
		{"t base queue to udp dport map { 53 : 9, 54 : 7 }", "queue 7, 9 by map", ""},
		{"t a queue num 1", "queue 1", ""},
		{"t b queue num 2", "queue 2", ""},
		{"t c queue num 3", "queue 3", diagnose.UnreachableChain},
		{"off base queue num 4", "queue 4", diagnose.DormantTable},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			if err := nft("add rule inet " + tt.rule); err != nil {
				testutil.Lacks(t, testutil.NFTQueue, err)
			}
			chain := strings.Join(strings.Fields(tt.rule)[:2], " ")
			for _, r := range runIn(ns, queue.Config{}).Rules {
				if text := r.String(); r.Table+" "+r.Chain == chain && strings.HasSuffix(text, tt.want) && r.Idle == tt.idle {
					return
				}
			}
			t.Errorf("no rule %q, idle %q, in %v", tt.want, tt.idle, runIn(ns, queue.Config{}).Rules)
		})
	}
}

// Run finds a stopped program, even if the state of its queue is normal.
func TestKernelRunStopped(t *testing.T) {
	testutil.RequireKernel(t)
	testutil.FeedUDP(t, 7)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serveVariable+"=7")
	life, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	testutil.AwaitOwner(t, 7)
	resume, err := testutil.Halt(cmd.Process)
	if err != nil {
		t.Fatal(err)
	}
	words := fmt.Sprintf("(process %d, ", cmd.Process.Pid)
	wantFinding(t, diagnose.Run(t.Context(), queue.Config{Number: 7}), diagnose.Fault, diagnose.AboutQueue, words, "is stopped")
	if err := resume(); err != nil {
		t.Fatal(err)
	}
	wantFinding(t, diagnose.Run(t.Context(), queue.Config{Number: 7}), diagnose.Good, diagnose.AboutQueue, words)
	life.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// If the context has ended, the findings report that instead of wrong results.
func TestKernelRunEnds(t *testing.T) {
	testutil.RequireKernel(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := diagnose.Run(ctx, queue.Config{})
	wantFinding(t, r, diagnose.Unseen, diagnose.AboutPrivilege, context.Canceled.Error())
	wantFinding(t, r, diagnose.Unseen, diagnose.AboutRules, context.Canceled.Error())
}
