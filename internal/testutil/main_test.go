package testutil

import (
	"bytes"
	"strings"
	"testing"
)

func TestMain(m *testing.M) { Main(m) }

// testsFunc stands in for a *testing.M.
type testsFunc func() int

func (f testsFunc) Run() int { return f() }

func TestRun(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	leak := func() { go func() { <-stop }() }
	for _, test := range []struct {
		name   string
		tests  testsFunc
		want   int
		report bool
	}{
		{"clean", func() int { return 0 }, 0, false},
		{"leaking", func() int { leak(); return 0 }, 1, true},
		{"leaking twice", func() int { leak(); leak(); return 0 }, 1, true},
		{"failed", func() int { leak(); return 2 }, 2, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var report bytes.Buffer
			if got := run(test.tests, &report, 0); got != test.want {
				t.Errorf("exit status %d, want %d", got, test.want)
			}
			if got := strings.Contains(report.String(), "TestRun"); got != test.report {
				t.Errorf("report names the goroutine: %t, want %t:\n%s", got, test.report, &report)
			}
		})
	}
}
