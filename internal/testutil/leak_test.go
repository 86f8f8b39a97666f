package testutil

import (
	"testing"
	"time"
)

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
