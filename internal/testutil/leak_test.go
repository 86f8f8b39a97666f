package testutil

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestLeaksNamesGoroutine(t *testing.T) {
	before := TakeSnapshot()
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
	before := TakeSnapshot()
	stop := make(chan struct{})
	go func() { <-stop }()
	time.AfterFunc(20*time.Millisecond, func() { close(stop) })
	if leaks := before.Leaks(patience); len(leaks) != 0 {
		t.Errorf("leaks %q, want none", leaks)
	}
}

func TestLeaksNamesDescriptor(t *testing.T) {
	if len(descriptors()) == 0 {
		t.Skip("this system does not list descriptors")
	}
	before := TakeSnapshot()
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

// A number that was open before may refer to something else now.
func TestLeaksComparesTargets(t *testing.T) {
	before := Snapshot{descriptors: map[string]string{"3": "/a", "4": "/b", "5": "/c"}}
	now := Snapshot{descriptors: map[string]string{"3": "/a", "4": "/other"}}
	leaks := before.added(now)
	if len(leaks) != 1 || leaks[0] != "descriptor 4 of /other" {
		t.Errorf("leaks %q, want descriptor 4", leaks)
	}
}

func TestCheckLeaks(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	for _, test := range []struct {
		name   string
		within time.Duration
		body   func(t testing.TB)
		want   int
	}{
		{"clean", patience, func(testing.TB) {}, 0},
		{"leaking", 0, func(testing.TB) { go func() { <-stop }() }, 1},
		{"cleaned up", patience, func(t testing.TB) {
			own := make(chan struct{})
			go func() { <-own }()
			t.Cleanup(func() { close(own) })
		}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := fake(func(t testing.TB) {
				checkLeaks(t, test.within)
				test.body(t)
			})
			if len(f.failures) != test.want {
				t.Errorf("failures %q, want %d", f.failures, test.want)
			}
		})
	}
}
