package leak

import (
	"context"
	"os"
	"runtime/pprof"
	"strings"
	"testing"
	"time"
)

// patience is how long to wait for a leak to end.
const patience = 20 * time.Second

func TestLeaksNamesGoroutine(t *testing.T) {
	before := Take()
	stop := make(chan struct{})
	go func() { <-stop }()
	leaks := before.Leaks(0)
	if len(leaks) != 1 || !strings.Contains(leaks[0], "TestLeaksNamesGoroutine") {
		t.Errorf("leaks %q, want this test's goroutine", leaks)
	}
	close(stop)
	if leaks := before.Leaks(patience); len(leaks) != 0 {
		t.Errorf("leaks %q after its end, want none", leaks)
	}
}

// A goroutine about to end is no leak.
func TestLeaksWaits(t *testing.T) {
	before := Take()
	stop := make(chan struct{})
	go func() { <-stop }()
	time.AfterFunc(20*time.Millisecond, func() { close(stop) })
	if leaks := before.Leaks(patience); len(leaks) != 0 {
		t.Errorf("leaks %q, want none", leaks)
	}
}

func TestLeaksNamesDescriptor(t *testing.T) {
	if len(descriptors()) == 0 {
		t.Skip("needs a list of descriptors: nothing in /proc/self/fd")
	}
	before := Take()
	file, err := os.Create(t.TempDir() + "/left open")
	if err != nil {
		t.Fatal(err)
	}
	leaks := before.Leaks(0)
	if len(leaks) != 1 || !strings.HasSuffix(leaks[0], "/left open") {
		t.Errorf("leaks %q, want the file", leaks)
	}
	file.Close()
	if leaks := before.Leaks(0); len(leaks) != 0 {
		t.Errorf("leaks %q after Close, want none", leaks)
	}
}

// A descriptor number that was open before may now have a different target.
func TestLeaksComparesTargets(t *testing.T) {
	before := Snapshot{descriptors: map[string]string{"3": "/a", "4": "/b", "5": "/c"}}
	now := Snapshot{descriptors: map[string]string{"3": "/a", "4": "/other"}}
	leaks := before.added(now)
	if len(leaks) != 1 || leaks[0] != "descriptor 4 of /other" {
		t.Errorf("leaks %q, want descriptor 4", leaks)
	}
}

// A label finds its own goroutines and those that they start, but no others.
func TestLabelled(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	started := make(chan struct{})
	go pprof.Do(context.Background(), pprof.Labels("leak", "mine"), func(context.Context) {
		go func() { close(started); <-stop }()
	})
	go pprof.Do(context.Background(), pprof.Labels("leak", "other"), func(context.Context) { <-stop })
	<-started
	deadline := time.Now().Add(patience)
	stacks := Labelled("leak", "mine")
	for len(stacks) != 1 && time.Now().Before(deadline) { // the one that started it may be about to end
		time.Sleep(time.Millisecond)
		stacks = Labelled("leak", "mine")
	}
	if len(stacks) != 1 || !strings.Contains(stacks[0], "TestLabelled") {
		t.Errorf("goroutines %q, want the one that waits", stacks)
	}
	if stacks := Labelled("leak", "nobody's"); len(stacks) != 0 {
		t.Errorf("goroutines %q of a label that nobody has", stacks)
	}
}
