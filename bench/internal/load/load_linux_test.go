package load

import (
	"context"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

// runUntil runs a generator until its counters satisfy a condition.
func runUntil(t *testing.T, s Spec, peer *os.File, counted func(*Meter) bool) *Meter {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	m := NewMeter(1 << 10)
	done := make(chan error, 1)
	go func() { done <- Run(ctx, s, peer, m) }()
	for !counted(m) {
		select {
		case err := <-done:
			t.Fatalf("ended by itself: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("ended with %v, want nil after its context", err)
	}
	return m
}

func sentSome(m *Meter) bool { return m.sent.Load() > 1000 }

func TestRunFloods(t *testing.T) {
	if err := netns.Inside(); err != nil {
		t.Skip(err)
	}
	sink, err := NewSink()
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	for _, s := range []Spec{
		{Kind: UDP, Size: 64, SendBuffer: 1 << 16},
		{Kind: UDP, Size: 1400, SendBuffer: 1 << 16},
		{Kind: UDP, Size: 64, Segments: 40, SendBuffer: 1 << 16},
		{Kind: ICMP, Size: 56, SendBuffer: 1 << 16},
	} {
		runUntil(t, s, nil, sentSome)
	}
}

func TestRunOneByOne(t *testing.T) {
	m := runUntil(t, Spec{Kind: OneByOne, Size: 64}, nil, sentSome)
	r := m.Read()
	if r.Lost != 0 || r.Latency.N == 0 || r.Latency.P50 <= 0 || r.Latency.P999 < r.Latency.P50 {
		t.Errorf("%+v, want nothing lost and times", r)
	}
}

// The test uses the loopback link instead of a veth pair.
func TestRunStream(t *testing.T) {
	if err := netns.Inside(); err != nil {
		t.Skip(err)
	}
	lo, err := (&netns.Namespace{}).Link("lo")
	if err != nil {
		t.Fatal(err)
	}
	if err := lo.AddAddr(netip.MustParsePrefix(Peer + "/32")); err != nil {
		t.Fatal(err)
	}
	own, err := os.Open("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	runUntil(t, Spec{Kind: TCP}, own, func(m *Meter) bool { return m.bytes.Load() > 4*chunk })
}

func TestRunUnknown(t *testing.T) {
	if err := Run(t.Context(), Spec{Kind: "tea"}, nil, NewMeter(0)); err == nil {
		t.Error("no error for an unknown kind")
	}
}
