package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

// patience is how long the tests wait for what must come.
const patience = 20 * time.Second

// build returns the program, built as it would be for an old machine.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "accept")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", program, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// feed makes a rule that sends UDP packets of the test's network to the queue.
func feed(t *testing.T, number uint16) {
	t.Helper()
	var own netns.Namespace
	table, err := own.AddTable(netns.Inet, strings.ReplaceAll(t.Name(), "/", "_"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := table.Delete(); err != nil {
			t.Error(err)
		}
	})
	rule := netns.Rule{Protocol: netns.UDP, Action: netns.Enqueue, Queue: netns.Queue{First: number}}
	if _, err := table.AddChain(netns.Output, 0, rule); err != nil {
		t.Fatal(err)
	}
}

// A process is the program at work.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
}

func start(t *testing.T, program string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(program, args...)}
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stuck := time.AfterFunc(2*patience, func() { p.cmd.Process.Kill() })
	t.Cleanup(func() { stuck.Stop(); p.cmd.Process.Kill() })
	return p
}

// wait returns the exit status.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	if err := p.cmd.Wait(); err != nil && p.cmd.ProcessState.ExitCode() < 0 {
		t.Fatalf("%v\n%s", err, &p.stderr)
	}
	return p.cmd.ProcessState.ExitCode()
}

// awaitOwner waits until some socket has bound the queue.
func awaitOwner(t *testing.T, number uint16) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		b, err := os.ReadFile("/proc/self/net/netfilter/nfnetlink_queue")
		if err != nil {
			t.Fatal(err)
		}
		for row := range strings.Lines(string(b)) {
			if strings.Fields(row)[0] == fmt.Sprint(number) {
				return
			}
		}
	}
	t.Fatalf("nobody has bound queue %d", number)
}

func TestAccept(t *testing.T) {
	testutil.RequireKernel(t)
	program := build(t)
	t.Run("accepts", func(t *testing.T) { testAccepts(t, program) })
	t.Run("complains", func(t *testing.T) { testComplains(t, program) })
	t.Run("unprivileged", func(t *testing.T) { testUnprivileged(t, program) })
}

func testAccepts(t *testing.T, program string) {
	for _, test := range []struct {
		name   string
		number uint16
		args   []string
		signal os.Signal
		lines  int // of standard output
	}{
		{"default queue", 0, nil, os.Interrupt, 0},
		{"numbered queue", 65535, []string{"-queue", "65535"}, syscall.SIGTERM, 0},
		{"verbose", 7, []string{"-v", "-queue=7"}, os.Interrupt, 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			feed(t, test.number)
			p := start(t, program, test.args...)
			awaitOwner(t, test.number)
			lo := testutil.Loopback(t)
			for _, addr := range lo.Addrs() {
				client, server := testutil.UDP(t, lo.NS, lo.NS, addr)
				testutil.EchoUDP(t, client, server, []byte("accept this"))
			}
			if err := p.cmd.Process.Signal(test.signal); err != nil {
				t.Fatal(err)
			}
			if got := p.wait(t); got != 0 || p.stderr.Len() > 0 {
				t.Errorf("exit status %d and complaints %q, want 0 and none", got, &p.stderr)
			}
			if got := strings.Count(p.stdout.String(), "\n"); got != test.lines {
				t.Errorf("printed %d lines, want %d:\n%s", got, test.lines, &p.stdout)
			}
			if want := "Output 39 bytes in= out=lo\n"; test.lines > 0 && !strings.HasPrefix(p.stdout.String(), "1 "+want) {
				t.Errorf("printed %q, want a first line 1 %q", &p.stdout, want)
			}
		})
	}
}

func testComplains(t *testing.T, program string) {
	owner := start(t, program, "-queue", "3")
	awaitOwner(t, 3)
	for _, test := range []struct {
		name   string
		args   []string
		status int
		want   string // part of standard error
	}{
		{"queue has an owner", []string{"-queue", "3"}, 1, "the queue belongs to netlink port"},
		{"no such queue for IPv6", []string{"-6", "-queue", "4"}, 1, "Config.Family"},
		{"number too large", []string{"-queue", "65536"}, 2, "value out of range"},
		{"not a number", []string{"-queue", "all"}, 2, "invalid syntax"},
		{"argument", []string{"4"}, 2, `unexpected argument "4"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := start(t, program, test.args...)
			if got := p.wait(t); got != test.status || !strings.Contains(p.stderr.String(), test.want) {
				t.Errorf("exit status %d, complaints %q, want %d and %q", got, &p.stderr, test.status, test.want)
			}
			if p.stdout.Len() > 0 {
				t.Errorf("printed %q, want nothing", &p.stdout)
			}
		})
	}
	if err := owner.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if got := owner.wait(t); got != 0 {
		t.Errorf("the owner ended with status %d: %s", got, &owner.stderr)
	}
}

// An ordinary user is told what is missing.
func testUnprivileged(t *testing.T, program string) {
	cmd := exec.Command(program)
	// Into a user namespace whose capabilities do not hold for the network.
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.Discard, &stderr
	_ = cmd.Run()
	if got := cmd.ProcessState.ExitCode(); got != 1 || !strings.Contains(stderr.String(), "CAP_NET_ADMIN") {
		t.Errorf("exit status %d, complaints %q, want 1 and the missing capability", got, &stderr)
	}
}
