package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/bench/internal/sys"
)

// startShell starts a shell script instead of a consumer.
func startShell(t *testing.T, script string) (*process, consumerState, error) {
	t.Helper()
	cpus, err := sys.CPUs()
	if err != nil {
		t.Skip(err)
	}
	var ready consumerState
	p, err := startProcess(cpus[:1], exec.Command("sh", "-c", script), &ready)
	if p != nil {
		t.Cleanup(p.kill)
	}
	return p, ready, err
}

func TestProcess(t *testing.T) {
	const script = `trap 'echo "{\"Decided\":7}"; exit 0' TERM; echo '{"ReadBuffer":1}'
		while read line; do echo '{"Mallocs":3}'; done`
	p, ready, err := startShell(t, script)
	if err != nil || ready.ReadBuffer != 1 {
		t.Fatalf("ready with %+v, %v, want a read buffer of 1", ready, err)
	}
	for range 2 {
		var state consumerState
		if err := p.ask(&state); err != nil || state.Mallocs != 3 {
			t.Errorf("ask gives %+v, %v, want 3 mallocs", state, err)
		}
	}
	var final consumerState
	if err := p.stop(&final); err != nil || final.Decided != 7 {
		t.Errorf("stop gives %+v, %v, want 7 decided", final, err)
	}
}

func TestProcessFails(t *testing.T) {
	const ready = `echo '{}'; `
	for _, test := range []struct {
		name, script string
		use          func(p *process) error
		want         string
	}{
		{"at start", "echo no queue >&2; exit 1", nil, "no queue"},
		{"with words", "echo hello", nil, "invalid character"},
		{"when asked", ready + "read line; echo no memory >&2; exit 1", func(p *process) error { return p.ask(&consumerState{}) }, "no memory"},
		{"at the end", `trap 'echo {}; echo too late >&2; exit 2' TERM; ` + ready + `while :; do sleep 0.01; done`,
			func(p *process) error { return p.stop(&consumerState{}) }, "exit status 2: too late"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, _, err := startShell(t, test.script)
			if err == nil && test.use != nil {
				err = test.use(p)
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want an error with %q", err, test.want)
			}
		})
	}
}
