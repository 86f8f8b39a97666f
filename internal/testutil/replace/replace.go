// Package replace tells tests whether the kernel lets packets be replaced.
package replace

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
	"github.com/ipqueue/ipqueue/queue"
)

// Require skips the test where the kernel lets no packet be replaced in the
// namespaces of the process.
func Require(t testing.TB) {
	t.Helper()
	if err := Try(t); err != nil {
		testutil.Lacks(t, testutil.Replacements, err)
	}
}

// Try replaces a packet in a namespace made for that. The error matches
// queue.ErrUnsupported.
func Try(t testing.TB) error {
	t.Helper()
	testutil.RequireKernel(t)
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	table, err := ns.AddTable(netns.IPv4, "replace")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := table.AddChain(netns.Output, 0, netns.Rule{Protocol: netns.UDP, Action: netns.Enqueue}); err != nil {
		t.Fatal(err)
	}
	q, err := queue.Open(context.Background(), queue.Config{NetNS: ns.FD()})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	client, _ := testutil.UDP(t, ns, ns, netip.MustParseAddr("127.0.0.1"))
	if _, err := client.Write([]byte("replace this")); err != nil {
		t.Fatal(err)
	}
	for p := range q.All() {
		err = p.Replace(p.Payload)
		break
	}
	if err != nil && !errors.Is(err, queue.ErrUnsupported) {
		t.Fatal(err)
	}
	return err
}
