package main

import (
	"slices"
	"strings"
	"testing"
)

// of returns a run with tests of these actions; a skip names its feature:
// "skip: tshark".
func of(release, user string, actions map[string]string) *run {
	r := &run{release: release, directory: "./queue", user: user, status: "0"}
	for name, action := range actions {
		t := &test{name: name}
		var feature string
		t.action, feature, _ = strings.Cut(action, ": ")
		if feature != "" {
			t.output.WriteString("=== RUN   " + name + "\n    a_test.go:12: needs " + feature + ": no such file: x\n")
		}
		r.tests = append(r.tests, t)
	}
	return r
}

func TestJudge(t *testing.T) {
	type actions = map[string]string
	for name, tt := range map[string]struct {
		runs []*run
		want []string // parts of the complaints
	}{
		"all is well": {[]*run{of("6.1", "root", actions{"TestA": "pass", "TestB": "pass"})}, nil},
		"nothing ran": {nil, []string{"no test ran"}},
		"a run without tests": {
			[]*run{of("6.1", "root", actions{"TestA": "pass"}), of("6.12", "root", nil)}, []string{"no test ran"}},
		"a failure": {[]*run{of("6.1", "root", actions{"TestA": "fail"})}, []string{"TestA failed"}},
		"no end":    {[]*run{of("6.1", "root", actions{"TestA": ""})}, []string{"TestA did not end"}},
		"a skip without reason": {
			[]*run{of("6.1", "root", actions{"TestA": "pass"}), of("6.12", "root", actions{"TestA": "skip"})},
			[]string{"TestA was skipped without"}},
		"an unknown feature": {
			[]*run{of("6.1", "root", actions{"TestA": "pass"}), of("6.12", "root", actions{"TestA": "skip: magic"})},
			[]string{`does not know, "magic"`}},
		"a feature that is there": {
			[]*run{of("6.1", "root", actions{"TestA": "pass"}), of("6.12", "root", actions{"TestA": "skip: packet priority"})},
			[]string{`must be there, "packet priority"`}},
		"an older kernel without it": {
			[]*run{of("5.10", "root", actions{"TestA": "skip: packet priority"}), of("6.12", "root", actions{"TestA": "pass"})}, nil},
		"a user without it": {
			[]*run{of("6.1", "confined", actions{"TestA": "skip: namespaces"}), of("6.1", "nobody", actions{"TestA": "pass"})}, nil},
		"what one run lacks, another has": {
			[]*run{of("5.10", "root", actions{"TestA": "skip: packet priority"}), of("6.12", "root", actions{"TestB": "pass"})},
			[]string{"TestA was skipped everywhere"}},
		"what no run has": {[]*run{of("6.1", "root", actions{"TestA": "skip: ip_queue"})}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := judge(tt.runs, true)
			if len(got) != len(tt.want) {
				t.Fatalf("complaints %q, want %q", got, tt.want)
			}
			for i, want := range tt.want {
				if !strings.Contains(got[i], want) {
					t.Errorf("complaint %q, want %q", got[i], want)
				}
			}
		})
	}
}

func TestJudgeExitStatus(t *testing.T) {
	for status, want := range map[string]string{"": "did not end", "2": "exit status 2", "0": ""} {
		r := of("6.1", "root", map[string]string{"TestA": "pass"})
		r.status = status
		got := strings.Join(judge([]*run{r}, false), "\n")
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("status %q: %q, want %q", status, got, want)
		}
	}
}

// A test that failed once and then passed alone is not a problem.
func TestJudgeAgain(t *testing.T) {
	type actions = map[string]string
	for name, tt := range map[string]struct {
		before, after actions
		status        string // of the first run
		want          int    // complaints
	}{
		"passed":           {actions{"TestA": "fail", "TestB": "pass", "TestC/x": "fail", "TestC": "fail"}, actions{"TestA": "pass", "TestC": "pass"}, "1", 0},
		"failed again":     {actions{"TestA": "fail"}, actions{"TestA": "fail"}, "1", 4},
		"did not run":      {actions{"TestA": "fail"}, nil, "1", 3},
		"panic":            {actions{"TestA": "fail"}, actions{"TestA": "pass"}, "2", 2},
		"another not over": {actions{"TestA": "fail", "TestB": ""}, actions{"TestA": "pass"}, "1", 3},
		"a bad skip too":   {actions{"TestA": "fail", "TestB": "skip: magic"}, actions{"TestA": "pass"}, "1", 1},
	} {
		t.Run(name, func(t *testing.T) {
			before, after := of("6.1", "root", tt.before), of("6.1", "root", tt.after)
			before.status, after.again = tt.status, true
			if tt.after["TestA"] == "fail" {
				after.status = "1"
			}
			if got := judge([]*run{before, after}, false); len(got) != tt.want {
				t.Errorf("complaints %q, want %d", got, tt.want)
			}
		})
	}
}

const output = `noise of the start
#### begin ./queue nobody
=== RUN   TestA
    a_test.go:7: needs namespaces: operation not permitted
--- SKIP: TestA (0.00s)
=== RUN   TestB
=== RUN   TestB/part
--- PASS: TestB (0.01s)
    --- PASS: TestB/part (0.00s)
PASS

#### end 0 12.5
#### begin ./wire root
=== RUN   TestC
panic: oh

#### end 2 0.1
#### done
`

func TestParse(t *testing.T) {
	runs, err := parse("6.1.2-cloud", output)
	if err != nil || len(runs) != 2 {
		t.Fatalf("%d runs, %v, want 2", len(runs), err)
	}
	r := runs[0]
	if r.String() != "Linux 6.1.2-cloud, nobody, ./queue" || r.status != "0" || r.seconds != "12.5" {
		t.Errorf("run %v, status %s, %s s", r, r.status, r.seconds)
	}
	var got []string
	for _, t := range r.tests {
		if t.name != "" {
			got = append(got, t.name+" "+t.action+" "+t.feature())
		}
	}
	if want := []string{"TestA skip namespaces", "TestB pass ", "TestB/part pass "}; !slices.Equal(got, want) {
		t.Errorf("tests %q, want %q", got, want)
	}
	r = runs[1]
	c := slices.IndexFunc(r.tests, func(t *test) bool { return t.name == "TestC" })
	if r.status != "2" || c < 0 || r.tests[c].action != "" {
		t.Errorf("second run: status %s, tests %+v", r.status, r.tests)
	}
}

// The early end of a virtual machine is an error, whatever its output contains.
func TestParseCutShort(t *testing.T) {
	for _, end := range []int{0, 30, len(output) - 12, len(output) - 3} {
		if _, err := parse("6.1", output[:end]); err == nil {
			t.Errorf("no error for the first %d bytes", end)
		}
	}
}
