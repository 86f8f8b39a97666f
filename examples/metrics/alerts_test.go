package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/internal/testutil"
	"github.com/ipqueue/ipqueue/queue"
)

// promtool runs the tool of Prometheus that checks files.
func promtool(t *testing.T, input string, args ...string) {
	t.Helper()
	program, err := exec.LookPath("promtool")
	if err != nil {
		testutil.Lacks(t, testutil.Program("promtool"), err)
	}
	cmd := exec.Command(program, args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// checkMetrics checks names, types and help texts against the conventions of
// Prometheus, except for the metrics of Go's own collectors.
func checkMetrics(t *testing.T, text string) {
	t.Helper()
	var own strings.Builder
	for l := range strings.Lines(text) {
		if strings.Contains(l, "ipqueue_") {
			own.WriteString(l)
		}
	}
	t.Run("promtool", func(t *testing.T) { promtool(t, own.String(), "check", "metrics") })
}

func TestAlerts(t *testing.T) {
	promtool(t, "", "check", "rules", "alerts.yml")
	promtool(t, "", "test", "rules", "testdata/alerts_test.yml")
}

// TestAlertMetrics checks that the alerts use only metrics that exist.
func TestAlertMetrics(t *testing.T) {
	b, err := os.ReadFile("alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	exported := collect(t, queue.Stats{})
	names := metricName.FindAllString(string(b), -1)
	if len(names) < 5 {
		t.Fatalf("metrics %q in alerts.yml, want several", names)
	}
	for _, name := range names {
		if _, ok := exported[name]; !ok {
			t.Errorf("there is no metric %s", name)
		}
	}
}
