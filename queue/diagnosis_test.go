package queue_test

import (
	"io/fs"
	"testing"

	"github.com/ipqueue/ipqueue/queue"
)

func TestFindingString(t *testing.T) {
	for want, f := range map[string]queue.Finding{
		"All is well.":     {Text: "All is well"},
		"It fell; get up.": {Text: "It fell", Advice: "get up"},
		"It hides: file does not exist; look elsewhere.": {Text: "It hides", Err: fs.ErrNotExist, Advice: "look elsewhere"},
	} {
		if got := f.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestRuleString(t *testing.T) {
	in := queue.Rule{Family: "inet", Table: "filter", Chain: "output", Handle: 4}
	for want, change := range map[string]func(*queue.Rule){
		"inet filter output handle 4, queue 0":        func(*queue.Rule) {},
		"inet filter output handle 4, queue 3 bypass": func(r *queue.Rule) { r.First, r.Last, r.Bypass = 3, 3, true },
		"inet filter output handle 4, queue 3-5":      func(r *queue.Rule) { r.First, r.Last = 3, 5 },
		"inet filter output handle 4, queue by map":   func(r *queue.Rule) { r.Computed = true },
	} {
		r := in
		change(&r)
		if got := r.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestDiagnosisWorst(t *testing.T) {
	if got := (queue.Diagnosis{}).Worst(); got != queue.Good {
		t.Errorf("Worst of nothing = %v, want Good", got)
	}
	d := queue.Diagnosis{Findings: []queue.Finding{{Severity: queue.Note}, {Severity: queue.Warning}, {}}}
	if got := d.Worst(); got != queue.Warning {
		t.Errorf("Worst = %v, want Warning", got)
	}
}
