package testutil

import "testing"

func TestWantFailure(t *testing.T) {
	for _, test := range []struct {
		name, script string
		failures     int
	}{
		{"as wanted", "echo what is wrong >&2; exit 2", 0},
		{"other status", "echo what is wrong >&2; exit 3", 1},
		{"other complaint", "echo something is wrong >&2; exit 2", 1},
		{"says something too", "echo hello; echo what is wrong >&2; exit 2", 1},
		{"no failure", "echo hello", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := fake(func(t testing.TB) { WantFailure(t, "sh", 2, "what is wrong", "-c", test.script) })
			if len(f.failures) != test.failures {
				t.Errorf("failures %q, want %d", f.failures, test.failures)
			}
		})
	}
}
