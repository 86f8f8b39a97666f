package main

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/queue"
)

// A dashboard contains the fields of Grafana's model that the tests use.
type dashboard struct {
	Title         string
	SchemaVersion int
	Panels        []struct {
		ID      int
		Type    string
		Title   string
		GridPos struct{ X, Y, W, H int }
		Targets []struct{ RefID, Expr string }
	}
	Templating struct {
		List []struct{ Name, Definition string }
	}
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	b, err := os.ReadFile("dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	if d.Title == "" || d.SchemaVersion == 0 || len(d.Panels) == 0 {
		t.Fatalf("no dashboard: %+v", d)
	}
	return d
}

// expressions returns the queries of all panels and variables, indexed by a
// name.
func (d dashboard) expressions() map[string]string {
	expressions := make(map[string]string)
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			expressions[p.Title+", "+target.RefID] = target.Expr
		}
	}
	for _, v := range d.Templating.List {
		if v.Definition != "" {
			expressions["variable "+v.Name] = v.Definition
		}
	}
	return expressions
}

var metricName = regexp.MustCompile(`ipqueue_\w+`)

// TestDashboardMetrics checks that the dashboard shows every metric, and only
// metrics that exist.
func TestDashboardMetrics(t *testing.T) {
	exported, shown := collect(t, queue.Stats{}), make(map[string]bool)
	for where, expression := range readDashboard(t).expressions() {
		names := metricName.FindAllString(expression, -1)
		if len(names) == 0 {
			t.Errorf("%s: no metric in %q", where, expression)
		}
		for _, name := range names {
			if _, ok := exported[name]; !ok {
				t.Errorf("%s: there is no metric %s", where, name)
			}
			shown[name] = true
		}
	}
	for name := range exported {
		if !shown[name] {
			t.Errorf("%s is not shown", name)
		}
	}
}

// TestDashboardRates checks that counters are shown as rates, and gauges as
// values.
func TestDashboardRates(t *testing.T) {
	for where, expression := range readDashboard(t).expressions() {
		for _, at := range metricName.FindAllStringIndex(expression, -1) {
			name := expression[at[0]:at[1]]
			if strings.HasPrefix(expression, "label_values(") {
				continue
			}
			got := strings.HasSuffix(expression[:at[0]], "rate(")
			if want := strings.HasSuffix(name, "_total"); got != want {
				t.Errorf("%s: rate of %s: %t, want %t", where, name, got, want)
			}
		}
	}
}

// TestDashboardLayout checks that all variables in expressions exist, and that
// panels have different ids and do not overlap.
func TestDashboardLayout(t *testing.T) {
	d := readDashboard(t)
	variables := map[string]bool{"__rate_interval": true}
	for _, v := range d.Templating.List {
		variables[v.Name] = true
	}
	for where, expression := range d.expressions() {
		for _, use := range regexp.MustCompile(`\$(\w+)`).FindAllStringSubmatch(expression, -1) {
			if !variables[use[1]] {
				t.Errorf("%s: there is no variable %s", where, use[1])
			}
		}
	}
	ids, cells := make(map[int]bool), make(map[[2]int]string)
	for _, p := range d.Panels {
		if p.ID == 0 || ids[p.ID] || p.Type == "" {
			t.Errorf("panel %q: id %d, type %q, want an id of its own and a type", p.Title, p.ID, p.Type)
		}
		ids[p.ID] = true
		g := p.GridPos
		for i := range g.W * g.H {
			cell := [2]int{g.X + i%g.W, g.Y + i/g.W}
			if other := cells[cell]; other != "" || cell[0] >= 24 {
				t.Fatalf("panel %q covers %q or the edge at %v", p.Title, other, cell)
			}
			cells[cell] = p.Title
		}
	}
}
