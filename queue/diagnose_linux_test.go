package queue_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/queue"
)

// diagnose examines a queue of the lab.
func (l *lab) diagnose(c queue.Config) queue.Diagnosis {
	c.NetNS = l.ns.FD()
	return queue.Diagnose(l.ctx, c)
}

func TestKernelDiagnose(t *testing.T) {
	l := newLab(t)
	f := l.flow(loopback4)
	l.chain(netns.Output, 0,
		toQueue(7),
		netns.Rule{Protocol: netns.TCP, Action: netns.Enqueue, Queue: netns.Queue{First: 9, Last: 11}},
		netns.Rule{Protocol: netns.ICMP, Action: netns.Enqueue, Queue: netns.Queue{First: 12, Bypass: true}},
		netns.Rule{Protocol: netns.ICMPv6, Action: netns.Drop})
	q := l.open(queue.Config{Number: 7, Mode: queue.Range(64)})
	l.open(queue.Config{Number: 10})
	f.number(0, 3)
	held := take(t, q, 3)
	before := q.Stats().Kernel

	d := l.diagnose(queue.Config{Number: 7})
	if d.Worst() != queue.Warning {
		t.Errorf("Worst = %v, want Warning", d.Worst())
	}
	wantFinding(t, d, queue.Good, queue.AboutKernel, "This is Linux")
	wantFinding(t, d, queue.Good, queue.AboutModule, "nfnetlink_queue")
	wantFinding(t, d, queue.Good, queue.AboutPrivilege)
	wantFinding(t, d, queue.Good, queue.AboutQueue, "Queue 7 belongs to netlink port", "Range(64)")
	wantFinding(t, d, queue.Note, queue.AboutQueue, "Queue 10 belongs to netlink port", "WholePacket")
	wantFinding(t, d, queue.Note, queue.AboutLoss, "3 packets wait in Queue 7")
	wantFinding(t, d, queue.Good, queue.AboutRules, "inet lab filter_hook3_0", "queue 7 feeds the queue", "(3 packets so far)")
	wantFinding(t, d, queue.Warning, queue.AboutRules, "queue 9-11 drops packets", "nobody has bound queues 9, 11", "(no packet so far)")
	wantFinding(t, d, queue.Note, queue.AboutRules, "queue 12 bypass lets packets pass")
	if len(d.Rules) != 3 || len(d.Queues) != 2 {
		t.Errorf("%d rules and %d queues, want 3 and 2: %+v", len(d.Rules), len(d.Queues), d)
	}
	wantFinding(t, l.diagnose(queue.Config{Number: 9}), queue.Fault, queue.AboutRules, "queue 9-11 drops packets")
	wantFinding(t, l.diagnose(queue.Config{Number: 13}), queue.Note, queue.AboutQueue, "Nobody has bound queue 13")

	if after := q.Stats().Kernel; after != before {
		t.Errorf("the diagnosis changed the queue from %+v to %+v", before, after)
	}
	for _, p := range held {
		accept(t, p)
	}
	f.wantNumbers(numbers(0, 3))
	settled(t, q)
}

// Open will be told the same of each flag, whether or not the last queue of all
// is bound.
func TestKernelDiagnoseFlags(t *testing.T) {
	l := newLab(t)
	l.open(queue.Config{Number: 65535})
	for name, c := range map[string]queue.Config{
		"FailOpen":        {FailOpen: true},
		"Conntrack":       {Conntrack: true},
		"Owner":           {Owner: true},
		"SecurityContext": {SecurityContext: true},
	} {
		want := queue.Good
		q, err := l.tryOpen(c)
		if err != nil {
			want = queue.Fault
		} else if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		wantFinding(t, l.diagnose(c), want, queue.AboutConfig, "Config."+name)
	}
}

// Rules made by iptables in nftables are seen.
func TestKernelDiagnoseIptables(t *testing.T) {
	l := newLab(t)
	program, err := exec.LookPath("iptables-nft")
	if err != nil {
		t.Skip(err)
	}
	for _, test := range []struct{ args, want string }{
		{"-j NFQUEUE --queue-num 3", "queue 3"},
		{"-j NFQUEUE --queue-balance 4:6 --queue-bypass", "queue 4-6 bypass"},
	} {
		args := strings.Fields("-A OUTPUT -p udp " + test.args)
		var out []byte
		err := l.ns.Do(func() (err error) {
			out, err = exec.Command(program, args...).CombinedOutput()
			return err
		})
		if err != nil {
			t.Skipf("%s: %v\n%s", program, err, out)
		}
		wantRule(t, l.diagnose(queue.Config{}), test.want)
	}
}

// wantRule wants the last rule to be one with that end.
func wantRule(t testing.TB, d queue.Diagnosis, want string) {
	t.Helper()
	if n := len(d.Rules); n == 0 || !strings.HasSuffix(d.Rules[n-1].String(), want) {
		t.Errorf("rules %v, want a last one of %s", d.Rules, want)
	}
}
