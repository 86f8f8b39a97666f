package main

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
)

// testPatience is the longest time that the tests wait for an expected event.
const testPatience = 30 * time.Second

func TestQuickstart(t *testing.T) {
	program := testutil.Build(t)
	t.Run("namespace", func(t *testing.T) { testNamespace(t, program) })
	t.Run("no namespace", func(t *testing.T) { testNoNamespace(t, program) })
	t.Run("queue", func(t *testing.T) { testQueue(t, program) })
	t.Run("full", func(t *testing.T) { testFull(t, program) })
	t.Run("bad arguments", func(t *testing.T) { testBadArguments(t, program) })
}

// outside returns a command that runs outside of the private namespaces that
// this process has entered.
func outside(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = []string{"TERM=xterm"}
	return cmd
}

// wantSuccess runs the demonstration and returns its output.
func wantSuccess(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil || stderr.Len() > 0 {
		t.Fatalf("%v\n%s\n%s", err, &stdout, &stderr)
	}
	shown := stdout.String()
	if strings.Contains(shown, "\x1b") {
		t.Errorf("escape bytes, although not on a terminal:\n%q", shown)
	}
	good, want := 6, `"to be" arrived as "to be, or not to be, that is the question"`
	if strings.Contains(shown, "\n  --    replace  not shown: ") {
		good, want = 5, "Linux 7.2 and later drop replaced packets"
	}
	if got := strings.Count(shown, "\n  ok  "); got != good {
		t.Errorf("%d checks went well, want %d:\n%s", got, good, shown)
	}
	if !strings.Contains(shown, want) {
		t.Errorf("not shown: %s, but:\n%s", want, shown)
	}
	return shown
}

func testNamespace(t *testing.T, program string) {
	testutil.RequireKernel(t)
	shown := wantSuccess(t, outside(program))
	if want := "  network  a namespace of the running kernel"; !strings.Contains(shown, want) {
		t.Errorf("not shown: %q, but:\n%s", want, shown)
	}
}

// testNoNamespace checks that the program also works where namespaces are
// forbidden, and reports that.
func testNoNamespace(t *testing.T, program string) {
	cmd := outside(program)
	if netns.Inside() == nil {
		cmd = forbidden(program)
	}
	shown := wantSuccess(t, cmd)
	for _, want := range []string{
		"This program may not create a network namespace here:\n  netns: ",
		"\n  network  simulated, in this process\n",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("not shown: %q, but:\n%s", want, shown)
		}
	}
}

// testFull checks that the program reports that its output could not be written.
func testFull(t *testing.T, program string) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		testutil.Lacks(t, "/dev/full", err)
	}
	defer full.Close()
	cmd := outside(program)
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = full, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("%v, want exit status 1", err)
	}
	if want := "quickstart: write /dev/stdout: no space left on device\n"; stderr.String() != want {
		t.Errorf("standard error has %q, want %q", &stderr, want)
	}
}

// forbidden returns a command that runs the program in a user namespace that
// may not create other namespaces.
func forbidden(program string) *exec.Cmd {
	const script = `echo 0 >/proc/sys/user/max_user_namespaces &&
		echo 0 >/proc/sys/user/max_net_namespaces && exec "$0"`
	cmd := outside("/bin/sh", "-c", script, program)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
	}
	return cmd
}

func testQueue(t *testing.T, program string) {
	testutil.RequireKernel(t)
	testutil.FeedUDP(t, 5)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.SetReadDeadline(time.Now().Add(testPatience)); err != nil {
		t.Fatal(err)
	}
	cmd := outside(program, "-queue", "5")
	cmd.Stdout, cmd.Stderr = w, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	w.Close()
	lines := bufio.NewScanner(r)
	wantLine(t, lines, "Packets of queue 5, ")
	lo := testutil.Loopback(t)
	for _, addr := range lo.Addrs() {
		client, server := testutil.UDP(t, lo.NS, lo.NS, addr)
		testutil.EchoUDP(t, client, server, []byte("see this"))
		for range 2 {
			wantLine(t, lines, `"see this"`)
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	wantLine(t, lines, "4 packets: 4 accepted ")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// wantLine reads lines up to one that contains want.
func wantLine(t *testing.T, lines *bufio.Scanner, want string) {
	t.Helper()
	for lines.Scan() {
		if strings.Contains(lines.Text(), want) {
			return
		}
	}
	t.Fatalf("not shown: %q (%v)", want, lines.Err())
}

func testBadArguments(t *testing.T, program string) {
	for _, args := range [][]string{{"-queue", "65536"}, {"-queue", "all"}, {"-queue", "-1"}, {"5"}} {
		cmd := outside(program, args...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, _ := cmd.Output()
		if got := cmd.ProcessState.ExitCode(); got != 2 || len(out) > 0 || stderr.Len() == 0 {
			t.Errorf("%q: exit status %d, shows %q and %q, want 2 and a complaint", args, got, out, &stderr)
		}
	}
}
