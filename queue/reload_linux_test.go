package queue_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/internal/testutil"
	"github.com/ipqueue/ipqueue/queue"
)

// TestKernelReload changes rules while a packet waits in a queue that other rules
// feed. The kernel drops the packet if the change removes a base chain, and keeps
// it if the change replaces the rules of a chain.
func TestKernelReload(t *testing.T) {
	const filter = "*filter\n-A OUTPUT -p icmp -j ACCEPT\nCOMMIT\n"
	const table = "table inet other { chain c { type filter hook output priority 5; counter; }; }\n"
	for _, tt := range []struct {
		name          string
		command       string // takes first, then change
		first, change string
		dropped       bool
	}{
		{"nft, chain flushed", "nft -f -", table, "flush chain inet other c\nadd rule inet other c counter\n", false},
		{"nft, table deleted", "nft -f -", table, "delete table inet other\n" + table, true},
		{"iptables-restore", "iptables-restore --noflush", filter, "*filter\n-F OUTPUT\n-A OUTPUT -p icmp -j DROP\nCOMMIT\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			f := l.flow(loopback4)
			l.queueUDP()
			l.load(tt.command, tt.first)
			q := l.open(queue.Config{})
			f.number(0, 1)
			p := take(t, q, 1)[0]
			l.load(tt.command, tt.change)
			if tt.dropped {
				eventually(t, "the kernel holds no packet", func() bool { return q.Stats().Kernel.Pending == 0 })
				return
			}
			if n := q.Stats().Kernel.Pending; n != 1 {
				t.Errorf("the kernel holds %d packets, want 1", n)
			}
			if err := p.Accept(); err != nil {
				t.Error(err)
			}
			f.wantNumbers(numbers(0, 1))
			wantStats(t, settled(t, q), queue.Stats{Received: 1, Decided: 1, Accepted: 1})
		})
	}
}

// load gives rules to the standard input of a command, in the lab's namespace.
func (l *lab) load(command, rules string) {
	l.Helper()
	words := strings.Fields(command)
	if _, err := exec.LookPath(words[0]); err != nil {
		testutil.Lacks(l, testutil.Program(words[0]), err)
	}
	err := l.ns.Do(func() error {
		c := exec.Command(words[0], words[1:]...)
		c.Stdin = strings.NewReader(rules)
		out, err := c.CombinedOutput()
		if err != nil {
			l.Errorf("%s: %v\n%s", command, err, out)
		}
		return nil
	})
	if err != nil {
		l.Fatal(err)
	}
}
