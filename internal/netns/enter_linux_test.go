package netns_test

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
)

// patience is how long a test waits for an event that must happen.
const patience = 20 * time.Second

// passedOn are the signals that Enter hands on.
var passedOn = []os.Signal{
	syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT,
	syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTERM,
}

func requireInside(t *testing.T) {
	t.Helper()
	if err := netns.Inside(); err != nil {
		testutil.Lacks(t, testutil.Namespaces, err)
	}
}

func TestEnterGivesOwnNetwork(t *testing.T) {
	requireInside(t)
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if link.Name != "lo" && link.Flags&net.FlagUp != 0 {
			t.Errorf("link %s is up, want lo only", link.Name)
		}
	}
	conn, err := net.ListenPacket("udp6", "[::1]:0")
	if err != nil {
		t.Fatalf("loopback is not up: %v", err)
	}
	conn.Close()
}

// Root of the user namespace must own the files, of mode 0440, below
// /proc/net/netfilter.
func TestEnterGivesStatusFile(t *testing.T) {
	requireInside(t)
	const name = "/proc/net/netfilter/nfnetlink_queue"
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		testutil.Lacks(t, testutil.PacketQueues, err)
	}
	if err != nil || len(b) != 0 {
		t.Errorf("%s holds %q, %v, want no queue and no error", name, b, err)
	}
}

func TestEnterExitsLikeChild(t *testing.T) {
	requireInside(t)
	unignore(t)
	for _, test := range []struct {
		helper string
		want   string
	}{
		{"status", "exit status 7"},
		{"killed", "signal: killed"},
		{"interrupted", "signal: interrupt"},
		{"terminated", "signal: terminated"},
		{"crash", fmt.Sprintf("exit status %d", 128+int(syscall.SIGABRT))},
	} {
		t.Run(test.helper, func(t *testing.T) {
			out, err := helperCommand(test.helper).CombinedOutput()
			if err == nil || err.Error() != test.want {
				t.Errorf("ended with %v, want %s; output:\n%s", err, test.want, out)
			}
		})
	}
}

func TestEnterPassesStandardFiles(t *testing.T) {
	requireInside(t)
	cmd := helperCommand("cat")
	input := bytes.Repeat([]byte("0123456789abcdef"), 16<<10)
	var output, errors bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &output, &errors
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(output.Bytes(), input) {
		t.Errorf("standard output has %d bytes, want the %d of standard input", output.Len(), len(input))
	}
	if got, want := errors.String(), "done"; got != want {
		t.Errorf("standard error is %q, want %q", got, want)
	}
}

func TestEnterPassesSignalsOnce(t *testing.T) {
	requireInside(t)
	for _, test := range []struct {
		name   string
		target func(pid int) int
	}{
		{"to the process", func(pid int) int { return pid }},
		// As a terminal does at Ctrl-C.
		{"to its group", func(pid int) int { return -pid }},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := startHelper(t, "signals")
			for _, s := range passedOn {
				if err := syscall.Kill(test.target(h.cmd.Process.Pid), s.(syscall.Signal)); err != nil {
					t.Fatal(err)
				}
				h.wantLine(t, s.String())
			}
			h.wantEnd(t)
			if err := h.cmd.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// What the program is started to ignore, as by nohup, it ignores inside.
func TestEnterKeepsIgnoredSignals(t *testing.T) {
	requireInside(t)
	defer signal.Reset(syscall.SIGHUP)
	for _, test := range []struct {
		want    string
		prepare func()
	}{
		{"true\n", func() { signal.Ignore(syscall.SIGHUP) }},
		{"false\n", func() { signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP) }},
	} {
		test.prepare()
		out, err := helperCommand("ignored").CombinedOutput()
		if got := string(out); got != test.want || err != nil {
			t.Errorf("HUP ignored inside: %q, %v, want %q", got, err, test.want)
		}
	}
}

func TestEnterChildDiesWithParent(t *testing.T) {
	requireInside(t)
	h := startHelper(t, "sleep")
	if err := h.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// Who else holds the pipe now is the child.
	h.wantEnd(t)
	if err := h.cmd.Wait(); err == nil {
		t.Error("the parent ended well, want it killed")
	}
}

func TestEnterReportsRefusal(t *testing.T) {
	requireInside(t)
	const refusal = "netns: the kernel refuses a network namespace (no space left on device) " +
		"and one with a user namespace (no space left on device)"
	for _, test := range []struct {
		helper string
		want   string // of Enter, and of all later calls
		errno  string
	}{
		{"forbid user", "<nil>", "false"}, // with CAP_SYS_ADMIN
		{"forbid both", refusal, "true"},
	} {
		t.Run(test.helper, func(t *testing.T) {
			out, err := inUserNamespace(helperCommand(test.helper)).CombinedOutput()
			if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) {
				testutil.Lacks(t, testutil.UserNamespaces, err)
			}
			if err != nil {
				t.Fatalf("%v; output:\n%s", err, out)
			}
			lines := strings.Split(string(out), "\n")
			for i, call := range []string{"Enter", "second Enter", "Inside"} {
				if lines[i] != test.want {
					t.Errorf("%s = %q, want %q", call, lines[i], test.want)
				}
			}
			if lines[3] != test.errno {
				t.Errorf("Enter's error unwraps to ENOSPC: %s, want %s", lines[3], test.errno)
			}
		})
	}
}

// A stray marker must not make Enter believe that it is inside.
func TestEnterDoubtsMarker(t *testing.T) {
	requireInside(t)
	here, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	cmd := helperCommand("enter")
	cmd.Env = append(cmd.Env, enterMarker+"="+here)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v; output:\n%s", err, out)
	}
	if got, want := string(out), "netns: still in "+here+", where the program was started"; !strings.HasPrefix(got, want) {
		t.Errorf("Enter = %q, want %q", got, want)
	}
}

// The flags of the testing package must mean the same through Enter.
func TestEnterKeepsTestFlags(t *testing.T) {
	requireInside(t)
	dir := t.TempDir()
	cmd := outside("-test.run=^TestEnterGivesOwnNetwork$", "-test.v=test2json", "-test.timeout=1m",
		"-test.testlogfile="+filepath.Join(dir, "log"),
		"-test.outputdir="+dir, "-test.cpuprofile=cpu", "-test.memprofile=mem")
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestEnterGivesOwnNetwork")) {
		t.Fatalf("%v; output:\n%s", err, out)
	}
	for _, name := range []string{"log", "cpu", "mem"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("file of flag %s: %v, %v, want one that is not empty", name, info, err)
		}
	}
}

func TestEnterKeepsTestTimeout(t *testing.T) {
	requireInside(t)
	cmd := outside("-test.run=^TestHang$", "-test.timeout=10ms")
	cmd.Env = append(cmd.Env, hangVariable+"=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("panic: test timed out after 10ms")) {
		t.Errorf("%v; output:\n%s\nwant a time-out", err, out)
	}
}

// hangVariable makes TestHang hang.
const hangVariable = "IPQUEUE_TEST_HANG"

// TestHang is run by TestEnterKeepsTestTimeout.
func TestHang(t *testing.T) {
	if os.Getenv(hangVariable) != "" {
		time.Sleep(time.Hour)
	}
}

// Fuzz workers talk to their coordinator over inherited descriptors.
func TestEnterKeepsFuzzWorkers(t *testing.T) {
	requireInside(t)
	cmd := outside("-test.run=^$", "-test.fuzz=^FuzzInside$", "-test.fuzztime=100x",
		"-test.parallel=2", "-test.fuzzcachedir="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("execs: 100 ")) {
		t.Errorf("%v; output:\n%s\nwant 100 executions", err, out)
	}
}

// FuzzInside is run by TestEnterKeepsFuzzWorkers.
func FuzzInside(f *testing.F) {
	f.Add([]byte("seed"))
	f.Fuzz(func(t *testing.T, _ []byte) {
		if flag.Lookup("test.fuzz").Value.String() == "" {
			requireInside(t)
		}
		if err := netns.Inside(); err != nil {
			t.Fatal(err)
		}
	})
}

// A helperProcess runs a helper that has printed "ready".
type helperProcess struct {
	cmd    *exec.Cmd
	stdout *os.File
	lines  *bufio.Reader
}

// unignore lets no process that the test starts ignore signals because the
// test was started to ignore them.
func unignore(t *testing.T) {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, passedOn...)
	t.Cleanup(func() { signal.Stop(caught) })
}

// startHelper starts the helper in a process group of its own.
func startHelper(t *testing.T, name string) *helperProcess {
	t.Helper()
	unignore(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	defer w.Close()
	if err := r.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	h := &helperProcess{helperCommand(name), r, bufio.NewReader(r)}
	h.cmd.Stdout, h.cmd.Stderr = w, w
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.cmd.Process.Kill() })
	h.wantLine(t, "ready")
	return h
}

func (h *helperProcess) wantLine(t *testing.T, want string) {
	t.Helper()
	got, err := h.lines.ReadString('\n')
	if err != nil || got != want+"\n" {
		t.Fatalf("helper printed %q, %v, want %q", got, err, want)
	}
}

// wantEnd checks that the helper ends, so that no process has its output open
// any more, and prints nothing before.
func (h *helperProcess) wantEnd(t *testing.T) {
	t.Helper()
	if rest, err := io.ReadAll(h.lines); len(rest) > 0 || err != nil {
		t.Fatalf("helper printed %q, %v, want nothing and its end", rest, err)
	}
}
