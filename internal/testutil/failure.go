package testutil

import (
	"strings"
	"testing"
)

// WantFailure runs the program with the given arguments. It fails the test unless
// the program exits with the given status, prints a message that contains text on
// standard error, and prints nothing on standard output.
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
