package testutil

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/internal/netns"
)

// Feed adds a rule for packets that leave the namespace of the process, until the
// end of the test.
func Feed(t testing.TB, rule netns.Rule) {
	t.Helper()
	FeedAt(t, netns.Output, rule)
}

// FeedAt adds a chain of rules at a hook in the namespace of the process, until the
// end of the test.
func FeedAt(t testing.TB, hook netns.Hook, rules ...netns.Rule) *netns.Chain {
	t.Helper()
	var own netns.Namespace
	table, err := own.AddTable(netns.Inet, strings.ReplaceAll(t.Name(), "/", "_"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := table.Delete(); err != nil {
			t.Error(err)
		}
	})
	chain, err := table.AddChain(hook, 0, rules...)
	if err != nil {
		t.Fatal(err)
	}
	return chain
}

// FeedUDP adds a rule that sends UDP packets to the queue.
func FeedUDP(t testing.TB, number uint16) {
	t.Helper()
	Feed(t, netns.Rule{Protocol: netns.UDP, Action: netns.Enqueue, Queue: netns.Queue{First: number}})
}

// AwaitOwner waits until a socket has bound the queue in the namespace of the
// process.
func AwaitOwner(t testing.TB, number uint16) {
	t.Helper()
	Await(t, fmt.Sprintf("somebody to bind queue %d", number), func() bool { return bound(t, number) })
}

func bound(t testing.TB, number uint16) bool {
	t.Helper()
	b, err := os.ReadFile("/proc/self/net/netfilter/nfnetlink_queue")
	if err != nil {
		t.Fatal(err)
	}
	for row := range strings.Lines(string(b)) {
		if strings.Fields(row)[0] == fmt.Sprint(number) {
			return true
		}
	}
	return false
}
