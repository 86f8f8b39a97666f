package testutil

import "testing"

// What is fed to a queue without an owner is dropped, until the test is done.
func TestFeedUDP(t *testing.T) {
	requireInside(t)
	lo := Loopback(t)
	client, server := UDP(t, lo.NS, lo.NS, lo.IPv4)
	send := func(t testing.TB) {
		if bound(t, 5) {
			t.Fatal("queue 5 has an owner, want none")
		}
		if _, err := client.Write([]byte("lost")); err != nil {
			t.Fatal(err)
		}
	}
	f := fake(func(t testing.TB) {
		FeedUDP(named{t, "test"}, 5)
		send(t)
	})
	if len(f.failures) != 0 {
		t.Fatal(f.failures)
	}
	EchoUDP(t, client, server, []byte("passes"))
}

// A named test has a name.
type named struct {
	testing.TB
	name string
}

func (n named) Name() string { return n.name }
