package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

func TestDump(t *testing.T) {
	testutil.RequireKernel(t)
	program := testutil.Build(t)
	t.Run("accepts", func(t *testing.T) { testAccepts(t, program) })
	t.Run("to another program", func(t *testing.T) { testPipe(t, program) })
	t.Run("two of them", func(t *testing.T) { testTwo(t, program) })
	t.Run("drops", func(t *testing.T) { testDrops(t, program) })
	t.Run("stuck terminal", func(t *testing.T) { testStuck(t, program) })
	t.Run("full disk", func(t *testing.T) { testFull(t, program) })
	t.Run("complains", func(t *testing.T) { testComplains(t, program) })
}

// line matches the line for a datagram of that many bytes over the loopback
// link.
func line(verdict string, bytes int, tail string) *regexp.Regexp {
	return regexp.MustCompile(fmt.Sprintf(
		`(?m)^\d\d:\d\d:\d\d\.\d{6}  %-6s  [ \d.]{3,5}[nµm]?s  #\d+ Output lo: UDP \S+ > \S+, %d bytes%s$`, verdict, bytes, tail))
}

func testAccepts(t *testing.T, program string) {
	testutil.FeedUDP(t, 3)
	file := filepath.Join(t.TempDir(), "queue.pcapng")
	p := testutil.Start(t, program, "-queue", "3", "-r", "40", "-w", file)
	testutil.AwaitOwner(t, 3)
	echo(t, make([]byte, 100), 3)
	p.Interrupt(t)
	out := p.Stdout.String()
	if got := len(line("accept", 128, ` \(40 copied\)`).FindAllString(out, -1)); got != 6 {
		t.Errorf("%d such lines, want 6:\n%s", got, out)
	}
	if want := "dump: queue 3, every packet is accepted and written to " + file + "\ndump: 6 packets, 0 not written, 0 missed\n"; p.Stderr.String() != want {
		t.Errorf("standard error has %q, want %q", &p.Stderr, want)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	wantCapture(t, readCapture(t, b))
	if got := strings.Count(tshark(t, file), ";128;40;lo;0x00000002;"); got != 6 {
		t.Errorf("tshark shows %d such packets, want 6:\n%s", got, tshark(t, file))
	}
}

// testPipe checks that with "-w -" the standard output contains only the packets.
func testPipe(t *testing.T, program string) {
	testutil.FeedUDP(t, 3)
	p := testutil.Start(t, program, "-queue", "3", "-r", "40", "-w", "-")
	testutil.AwaitOwner(t, 3)
	echo(t, make([]byte, 100), 3)
	p.Interrupt(t)
	wantCapture(t, readCapture(t, []byte(p.Stdout.String())))
	if want := "dump: queue 3, every packet is accepted and written to standard output\ndump: 6 packets, 0 not written, 0 missed\n"; p.Stderr.String() != want {
		t.Errorf("standard error has %q, want %q", &p.Stderr, want)
	}
}

// testTwo starts a second program, which cannot open the queue. It must not touch
// the file of the first, which has replaced an older file.
func testTwo(t *testing.T, program string) {
	testutil.FeedUDP(t, 3)
	file := filepath.Join(t.TempDir(), "queue.pcapng")
	if err := os.WriteFile(file, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-queue", "3", "-r", "40", "-w", file}
	p := testutil.Start(t, program, args...)
	testutil.AwaitOwner(t, 3)
	echo(t, make([]byte, 100), 2)
	testutil.WantFailure(t, program, 1, "taken by program", args...)
	echo(t, make([]byte, 100), 1)
	p.Interrupt(t)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	wantCapture(t, readCapture(t, b))
}

// echo sends a datagram and its reply over IPv4, n times.
func echo(t *testing.T, payload []byte, n int) {
	t.Helper()
	lo := testutil.Loopback(t)
	client, server := testutil.UDP(t, lo.NS, lo.NS, lo.IPv4)
	for range n {
		testutil.EchoUDP(t, client, server, payload)
	}
}

func wantCapture(t *testing.T, entries []entry) {
	t.Helper()
	if len(entries) != 6 {
		t.Fatalf("the file has %d packets, want 6", len(entries))
	}
	for i, e := range entries {
		if e.info.Length != 128 || len(e.data) != 40 || e.data[0] != 0x45 || e.name != "lo" || *e.extras.PacketID != uint64(i+1) {
			t.Errorf("captured %v at %s, %x, want 40 bytes of 128, IPv4, at lo", e.info, e.name, e.data)
		}
		if got := e.extras.Comments[0]; !strings.HasPrefix(got, "accept after ") || !strings.HasSuffix(got, " at Output out lo") {
			t.Errorf("comment %q, want accept at Output", got)
		}
	}
}

func testDrops(t *testing.T, program string) {
	testutil.FeedUDP(t, 0)
	p := testutil.Start(t, program, "-drop")
	testutil.AwaitOwner(t, 0)
	lo := testutil.Loopback(t)
	client, _ := testutil.UDP(t, lo.NS, lo.NS, lo.IPv6)
	if _, err := client.Write([]byte("lost")); err != nil {
		t.Fatal(err)
	}
	out := p.Stdout.Await(t, "\n")
	if !line("drop", 52, "").MatchString(out) {
		t.Errorf("printed %q, want a line about a packet dropped", out)
	}
	p.Interrupt(t)
}

// testStuck checks that packets pass even if the output of the program is not
// read: more of them than it holds for writing.
func testStuck(t *testing.T, program string) {
	testutil.FeedUDP(t, 0)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	// The shell makes the program write to the pipe directly.
	cmd := exec.Command("/bin/sh", "-c", `exec "$0" >&3`, program)
	cmd.ExtraFiles = []*os.File{w}
	p := testutil.StartCmd(t, cmd)
	testutil.AwaitOwner(t, 0)
	echo(t, []byte("passes"), 2*backlog)
	p.Signal(t, os.Interrupt)
	if got := p.Wait(t); got != 1 {
		t.Errorf("exit status %d, want 1", got)
	}
	told := regexp.MustCompile(`(?m)^dump: 4096 packets, [1-9]\d* not written, 0 missed\ndump: the output accepted nothing for 1s$`)
	if !told.MatchString(p.Stderr.String()) {
		t.Errorf("standard error has %q, want that packets were not written", &p.Stderr)
	}
}

// testFull checks that packets pass even if nothing can be written.
func testFull(t *testing.T, program string) {
	const full = "/dev/full"
	if _, err := os.Stat(full); err != nil {
		testutil.Lacks(t, full, err)
	}
	testutil.FeedUDP(t, 0)
	p := testutil.Start(t, program, "-w", full)
	testutil.AwaitOwner(t, 0)
	echo(t, []byte("passes"), 2)
	p.Signal(t, os.Interrupt)
	if got := p.Wait(t); got != 1 {
		t.Errorf("exit status %d, want 1", got)
	}
	for _, want := range []string{"writing has stopped: ", "no space left", "4 packets, 4 not written"} {
		if !strings.Contains(p.Stderr.String(), want) {
			t.Errorf("standard error has %q, want %q", &p.Stderr, want)
		}
	}
}

func testComplains(t *testing.T, program string) {
	for _, test := range []struct {
		args   []string
		status int
		want   string // part of standard error
	}{
		{[]string{"-queue", "65536"}, 2, "65536"},
		{[]string{"-r", "-1"}, 2, "want a number of bytes from 1 to 65535"},
		{[]string{"-r", "0"}, 2, "want a number of bytes from 1 to 65535"},
		{[]string{"all"}, 2, `unexpected argument "all"`},
		{[]string{"-w", "/nonexistent/file"}, 1, "no such file"},
	} {
		testutil.WantFailure(t, program, test.status, test.want, test.args...)
	}
}
