package testutil

import (
	"strings"
	"testing"
)

// WantFailure fails the test unless the program, with these arguments, ends
// with the exit status, a complaint that contains text, and nothing on standard
// output.
func WantFailure(t testing.TB, program string, status int, text string, args ...string) {
	t.Helper()
	p := Start(t, program, args...)
	if got := p.Wait(t); got != status || !strings.Contains(p.Stderr.String(), text) {
		t.Errorf("arguments %q: exit status %d, complaint %q, want %d and %q", args, got, &p.Stderr, status, text)
	}
	if got := p.Stdout.String(); got != "" {
		t.Errorf("arguments %q: printed %q, want nothing", args, got)
	}
}
