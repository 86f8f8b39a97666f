package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
)

// A run is one execution of a test binary on a kernel, as a user.
type run struct {
	release, user, directory string
	again                    bool   // the tests that failed in the run before, alone
	status, seconds          string // empty if it did not end
	tests                    []*test
}

// A test is the result of one test in a run.
type test struct {
	name   string // empty for the test binary itself
	action string // pass, fail or skip; empty if the test did not end
	output strings.Builder
}

func (r *run) String() string {
	text := fmt.Sprintf("Linux %s, %s, %s", r.release, r.user, r.directory)
	if r.again {
		text += " again"
	}
	return text
}

// parse reads the output of a virtual machine. If the output ends too early, parse
// returns the runs so far, and an error.
func parse(release, output string) (runs []*run, err error) {
	sections := strings.Split("\n"+output, "\n#### begin ")
	for _, section := range sections[1:] {
		head, body, _ := strings.Cut(section, "\n")
		r := &run{release: release}
		r.directory, r.user, _ = strings.Cut(head, " ")
		r.user, r.again = strings.CutSuffix(r.user, " again")
		body, end, _ := strings.Cut(body, "\n#### end ")
		end, _, _ = strings.Cut(end, "\n")
		r.status, r.seconds, _ = strings.Cut(end, " ")
		if r.tests, err = parseTests(body); err != nil {
			return runs, err
		}
		runs = append(runs, r)
	}
	if !strings.HasSuffix(output, "\n#### done\n") {
		return runs, errors.New("the virtual machine did not finish")
	}
	return runs, nil
}

// parseTests reads the output of a test binary run with -test.v=test2json.
func parseTests(output string) ([]*test, error) {
	cmd := exec.Command("go", "tool", "test2json")
	cmd.Stdin = strings.NewReader(output)
	lines, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("test2json: %w", err)
	}
	var list []*test
	byName := make(map[string]*test)
	for line := range bytes.Lines(lines) {
		var event struct{ Action, Test, Output string }
		if err := json.Unmarshal(line, &event); err != nil {
			return nil, fmt.Errorf("test2json: %w", err)
		}
		t := byName[event.Test]
		if t == nil {
			t = &test{name: event.Test}
			byName[event.Test] = t
			list = append(list, t)
		}
		switch event.Action {
		case "output":
			t.output.WriteString(event.Output)
		case "pass", "fail", "skip":
			t.action = event.Action
		}
	}
	return list, nil
}

// needs matches the reason that testutil.Lacks gives for a skip.
var needs = regexp.MustCompile(`(?m)^\s+\S+\.go:\d+: needs ([^:\n]+): `)

// feature returns the feature that a skipped test needs, or "".
func (t *test) feature() string {
	if m := needs.FindStringSubmatch(t.output.String()); m != nil {
		return m[1]
	}
	return ""
}
