package main

import (
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
	"github.com/ipqueue/ipqueue/internal/testutil/replace"
)

func TestMain(m *testing.M) { testutil.Main(m) }

func TestRewriteProgram(t *testing.T) {
	replace.Require(t)
	program := testutil.Build(t)
	for _, test := range []struct {
		name     string
		args     []string
		protocol netns.Protocol
		say      string
		want     string // the text that arrives
		line     string // the end of the output line for each packet
	}{
		{"longer in UDP", []string{"-from", "l", "-to", "LONG"}, netns.UDP, "hello", "heLONGLONGo", "2 replaced, now"},
		{"shorter in UDP", []string{"-from", "hell"}, netns.UDP, "hello", "o", "1 replaced, now"},
		{"as long in TCP", []string{"-from", "ell", "-to", "ipp"}, netns.TCP, "hello", "hippo", "1 replaced, now"},
		{"padded in TCP", []string{"-from", "ello", "-to", "i", "-pad", "."}, netns.TCP, "hello", "hi...", "1 replaced, now"},
		{"longer in TCP", []string{"-from", "h", "-to", "HH"}, netns.TCP, "hello", "hello", "not rewritten: in TCP the new text"},
		{"too long in UDP", []string{"-from", "h", "-to", strings.Repeat("h", 65500)}, netns.UDP, strings.Repeat("h", 9), strings.Repeat("h", 9), "not rewritten: "},
		{"absent", []string{"-from", "olleh"}, netns.UDP, "hello", "hello", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			testutil.Feed(t, netns.Rule{Protocol: test.protocol, Action: netns.Enqueue, Queue: netns.Queue{First: 4}})
			p := testutil.Start(t, program, append(test.args, "-queue", "4")...)
			testutil.AwaitOwner(t, 4)
			for _, addr := range testutil.Loopback(t).Addrs() {
				if got := carry(t, test.protocol, addr, test.say); got != test.want {
					t.Errorf("%v: received %q, want %q", addr, got, test.want)
				}
			}
			p.Interrupt(t)
			wantLines(t, p, test.line)
		})
	}
}

// carry sends the text and returns the text that arrives.
func carry(t *testing.T, protocol netns.Protocol, addr netip.Addr, text string) string {
	t.Helper()
	lo := testutil.Loopback(t)
	if protocol == netns.UDP {
		client, server := testutil.UDP(t, lo.NS, lo.NS, addr)
		write(t, client, text)
		return string(testutil.Receive(t, server))
	}
	client, server := testutil.TCP(t, lo.NS, lo.NS, addr)
	write(t, client, text)
	client.Close()
	got, err := io.ReadAll(server)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

func write(t *testing.T, w io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
}

// wantLines checks that the output has a line with the text for each of the two
// addresses, or none if text is "", and that standard error is empty.
func wantLines(t *testing.T, p *testutil.Process, text string) {
	t.Helper()
	want := 2
	if text == "" {
		want = 0
	}
	output, begins := strings.CutPrefix(p.Stdout.String(), "rewrite: queue 4\n")
	if !begins {
		t.Errorf("printed\n%s\nwant a first line with the queue", output)
	}
	if lines := strings.Count(output, "\n"); lines != want || strings.Count(output, text) < want {
		t.Errorf("printed\n%s\nwant %d lines with %q", output, want, text)
	}
	if got := p.Stderr.String(); got != "" {
		t.Errorf("complains %q", got)
	}
}

func TestRewriteProgramFails(t *testing.T) {
	testutil.RequireKernel(t)
	program := testutil.Build(t)
	testutil.WantFailure(t, program, 2, "-from is missing")
	testutil.WantFailure(t, program, 2, "want a number from 0 to 65535", "-from", "a", "-queue", "65536")
	owner := testutil.Start(t, program, "-from", "a")
	testutil.AwaitOwner(t, 0)
	testutil.WantFailure(t, program, 1, "taken by program (process", "-from", "a")
	owner.Interrupt(t)
}
