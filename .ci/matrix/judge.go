package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// report prints which tests ran on which kernel, and the output of failed tests.
func report(w io.Writer, runs []*run, verbose bool) {
	for _, r := range runs {
		count := make(map[string]int)
		for _, t := range r.tests {
			if t.name != "" {
				count[t.action]++
			}
		}
		where := r.directory
		if r.again {
			where += " again"
		}
		fmt.Fprintf(w, "%-28s %-8s %-28s %4d passed %3d skipped %3d failed %6s s\n",
			r.release, r.user, where, count["pass"], count["skip"], count["fail"]+count[""], r.seconds)
	}
	for i, r := range runs {
		failed := r.status != "0"
		for _, t := range r.tests {
			if verbose || t.action == "fail" || failed && t.name == "" || t.action == "" {
				fmt.Fprintf(w, "\n%v %s:\n%s", r, t.name, t.output.String())
			}
		}
		if i > 0 && r.redeems(runs[i-1]) {
			fmt.Fprintf(w, "\n%v: all that had failed passed\n", r)
		}
	}
}

// A history contains the results of a test in all runs.
type history struct {
	ran   bool
	needs []string // features that it lacked where it was skipped
}

// A verdict collects the problems.
type verdict struct {
	complaints []string
	tests      map[string]*history // by directory and name
}

// judge returns the problems of the runs, one line each.
func judge(runs []*run, whole bool) []string {
	v := verdict{tests: make(map[string]*history)}
	if len(runs) == 0 {
		v.complain("no test ran")
	}
	for i, r := range runs {
		redeemed := i+1 < len(runs) && runs[i+1].redeems(r)
		if r.status == "" {
			v.complain("%v: did not end", r)
		} else if r.status != "0" && !redeemed {
			v.complain("%v: exit status %s", r, r.status)
		}
		if !slices.ContainsFunc(r.tests, func(t *test) bool { return t.name != "" }) {
			v.complain("%v: no test ran", r)
		}
		for _, t := range r.tests {
			if t.name != "" && !(redeemed && t.action == "fail") {
				v.add(r, t)
			}
		}
	}
	if whole {
		v.everyTestRan(runs)
	}
	return v.complaints
}

// redeems reports whether all tests that failed in the run before have passed
// alone in r, where they ran again.
func (r *run) redeems(before *run) bool {
	if !r.again || r.status != "0" || before.status != "1" {
		return false
	}
	for _, t := range before.tests {
		top, _, _ := strings.Cut(t.name, "/")
		if t.action == "" || t.action == "fail" && top != "" && !r.passed(top) {
			return false
		}
	}
	return true
}

func (r *run) passed(name string) bool {
	return slices.ContainsFunc(r.tests, func(t *test) bool { return t.name == name && t.action == "pass" })
}

func (v *verdict) complain(format string, args ...any) {
	v.complaints = append(v.complaints, fmt.Sprintf(format, args...))
}

// add adds one test of one run.
func (v *verdict) add(r *run, t *test) {
	name := r.directory + " " + t.name
	h := v.tests[name]
	if h == nil {
		h = &history{}
		v.tests[name] = h
	}
	if t.action == "skip" {
		h.needs = append(h.needs, t.feature())
	} else {
		h.ran = true
	}
	switch t.action {
	case "skip":
		if wrong := r.unfounded(t.feature()); wrong != "" {
			v.complain("%v: %s %s", r, t.name, wrong)
		}
	case "pass":
	case "fail":
		v.complain("%v: %s failed", r, t.name)
	default:
		v.complain("%v: %s did not end", r, t.name)
	}
}

// everyTestRan reports tests that were skipped in all runs, although some run could
// have the features that they need.
func (v *verdict) everyTestRan(runs []*run) {
	for _, name := range slices.Sorted(maps.Keys(v.tests)) {
		if h := v.tests[name]; !h.ran && possible(h.needs, runs) {
			v.complain("%s was skipped everywhere, for lack of %q", name, slices.Compact(h.needs))
		}
	}
}
