package testutil

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func shell(t testing.TB, script string) *Process {
	t.Helper()
	return Start(t, "/bin/sh", "-c", script)
}

func TestProcess(t *testing.T) {
	CheckLeaks(t)
	p := shell(t, "echo out; echo err >&2; exit 3")
	if got := p.Wait(t); got != 3 {
		t.Errorf("exit status %d, want 3", got)
	}
	if out, err := p.Stdout.String(), p.Stderr.String(); out != "out\n" || err != "err\n" {
		t.Errorf("output %q and %q, want out and err", out, err)
	}
}

func TestProcessAwait(t *testing.T) {
	cmd := exec.Command("/bin/cat")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := StartCmd(t, cmd)
	for _, said := range []string{"one", "two"} {
		if _, err := stdin.Write([]byte(said)); err != nil {
			t.Fatal(err)
		}
		if got := p.Stdout.Await(t, said); !strings.HasSuffix(got, said) {
			t.Errorf("output %q, want %q at its end", got, said)
		}
	}
	stdin.Close()
	if got := p.Wait(t); got != 0 {
		t.Errorf("exit status %d, want 0", got)
	}
}

func TestProcessInterrupt(t *testing.T) {
	for _, test := range []struct {
		script   string
		failures int
	}{
		{`trap "exit 0" INT; echo ready; while :; do sleep 0.01; done`, 0},
		{`trap "exit 1" INT; echo ready; while :; do sleep 0.01; done`, 1},
		{`echo ready; while :; do sleep 0.01; done`, 1},
	} {
		p := shell(t, test.script)
		p.Stdout.Await(t, "ready")
		if f := fake(p.Interrupt); len(f.failures) != test.failures {
			t.Errorf("%s: failures %q, want %d", test.script, f.failures, test.failures)
		}
	}
}

// A process that outlives its test is killed.
func TestProcessEnds(t *testing.T) {
	var p *Process
	f := fake(func(t testing.TB) { p = shell(t, "exec sleep 1000") })
	if len(f.failures) != 0 {
		t.Fatal(f.failures)
	}
	if status := p.cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL {
		t.Errorf("wait status %v, want killed", status)
	}
}

// A program that writes blocks, and everything else in it goes on.
func TestStartUnread(t *testing.T) {
	CheckLeaks(t)
	p := StartUnread(t, "/bin/sh", "-c", "(echo out; echo written >&2) & echo err >&2; kill $!; exit 3")
	if got := p.Wait(t); got != 3 {
		t.Errorf("exit status %d, want 3", got)
	}
	if out, err := p.Stdout.String(), p.Stderr.String(); out != "" || err != "err\n" {
		t.Errorf("output %q and %q, want none and err", out, err)
	}
}

func TestStartFails(t *testing.T) {
	f := fake(func(t testing.TB) { Start(t, "/nonexistent") })
	if len(f.failures) != 1 {
		t.Errorf("failures %q, want one", f.failures)
	}
}
