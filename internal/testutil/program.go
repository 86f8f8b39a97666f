package testutil

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Build builds the program of the test's package and returns its path. It builds a
// static binary, which runs on machines of any age. If the program x exists next to
// the test binary x.test, as on a machine without Go, Build returns that.
func Build(t testing.TB) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	if built, ok := builtBefore(); ok {
		if err := os.Symlink(built, program); err != nil {
			t.Fatal(err)
		}
		return program
	}
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", program, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

func builtBefore() (program string, ok bool) {
	self, err := os.Executable()
	if err != nil {
		return "", false
	}
	program, ok = strings.CutSuffix(self, ".test")
	if _, err := os.Stat(program); err != nil {
		return "", false
	}
	return program, ok
}

// A Process is a running program.
type Process struct {
	Stdout, Stderr Output
	cmd            *exec.Cmd
}

// Start starts the program with an empty standard input. It is killed at the end of
// the test, or earlier if it hangs.
func Start(t testing.TB, program string, args ...string) *Process {
	t.Helper()
	return StartCmd(t, exec.Command(program, args...))
}

// StartCmd is like Start, for a command with its own standard input, environment or
// attributes.
func StartCmd(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	return startCmd(t, cmd, nil)
}

// startCmd starts a command whose standard output goes to out, or to the process's
// Stdout if out is nil.
func startCmd(t testing.TB, cmd *exec.Cmd, out io.Writer) *Process {
	t.Helper()
	p := &Process{cmd: cmd}
	if out == nil {
		out = &p.Stdout
	}
	cmd.Stdout, cmd.Stderr = out, &p.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stuck := time.AfterFunc(2*patience, p.kill)
	t.Cleanup(func() {
		stuck.Stop()
		p.kill()
		_ = cmd.Wait() // fails after Wait
	})
	return p
}

// kill fails once the process has been waited for.
func (p *Process) kill() { _ = p.cmd.Process.Kill() }

// Signal sends the process a signal.
func (p *Process) Signal(t testing.TB, signal os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// Wait returns the exit status.
func (p *Process) Wait(t testing.TB) int {
	t.Helper()
	err := p.cmd.Wait()
	status := p.cmd.ProcessState.ExitCode()
	if status < 0 {
		t.Fatalf("%v\n%s", err, &p.Stderr)
	}
	return status
}

// Interrupt ends the process as Ctrl-C does. It fails the test unless the exit status
// is 0.
func (p *Process) Interrupt(t testing.TB) {
	t.Helper()
	p.Signal(t, os.Interrupt)
	if got := p.Wait(t); got != 0 {
		t.Fatalf("exit status %d, want 0\n%s", got, &p.Stderr)
	}
}

// An Output contains what a process has written so far. Its methods may be called from
// any goroutine.
type Output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write appends to the output.
func (o *Output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(b)
}

func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// Await waits until the output contains text, and returns the output. If it never does,
// the test fails and shows the output.
func (o *Output) Await(t testing.TB, text string) string {
	t.Helper()
	if !comes(func() bool { return strings.Contains(o.String(), text) }) {
		t.Fatalf("waited in vain for output of %q, got:\n%s", text, o)
	}
	return o.String()
}

// Await waits until a condition is true.
func Await(t testing.TB, what string, so func() bool) {
	t.Helper()
	if !comes(so) {
		t.Fatalf("waited in vain for %s", what)
	}
}

// comes waits until a condition is true, and reports whether it is before patience is
// exhausted.
func comes(so func() bool) bool {
	for end := time.Now().Add(patience); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}
