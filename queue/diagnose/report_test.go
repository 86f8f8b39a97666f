package diagnose_test

import (
	"io/fs"
	"testing"

	"github.com/ipqueue/ipqueue/queue/diagnose"
)

func TestFindingString(t *testing.T) {
	for want, f := range map[string]diagnose.Finding{
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
	in := diagnose.Rule{Family: "inet", Table: "filter", Chain: "output", Handle: 4}
	for want, change := range map[string]func(*diagnose.Rule){
		"queue 0":                   func(r *diagnose.Rule) { r.Numbers = []uint16{0} },
		"queue 3 bypass":            func(r *diagnose.Rule) { r.Numbers, r.Bypass = []uint16{3}, true },
		"queue 3-5, 9":              func(r *diagnose.Rule) { r.Numbers = []uint16{3, 4, 5, 9} },
		"queue 3-4 fanout bypass":   func(r *diagnose.Rule) { r.Numbers, r.By, r.Bypass = []uint16{3, 4}, "fanout", true },
		"queue by map":              func(r *diagnose.Rule) { r.By = "map" },
		"queue 3-4 by jhash bypass": func(r *diagnose.Rule) { r.Numbers, r.By, r.Bypass = []uint16{3, 4}, "jhash", true },
	} {
		r := in
		change(&r)
		if got := r.String(); got != "inet filter output handle 4, "+want {
			t.Errorf("got %q, want the end %q", got, want)
		}
	}
}

func TestReportWorst(t *testing.T) {
	if got := (diagnose.Report{}).Worst(); got != diagnose.Good {
		t.Errorf("Worst of nothing = %v, want Good", got)
	}
	d := diagnose.Report{Findings: []diagnose.Finding{{Severity: diagnose.Note}, {Severity: diagnose.Warning}, {}}}
	if got := d.Worst(); got != diagnose.Warning {
		t.Errorf("Worst = %v, want Warning", got)
	}
}
