package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/ipqueue/ipqueue/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

func TestAccept(t *testing.T) {
	testutil.RequireKernel(t)
	program := testutil.Build(t)
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
		{"default queue", 0, nil, os.Interrupt, 6},
		{"numbered queue", 65535, []string{"-queue", "65535"}, syscall.SIGTERM, 6},
		{"quiet", 7, []string{"-q", "-queue=7"}, os.Interrupt, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			testutil.FeedUDP(t, test.number)
			p := testutil.Start(t, program, test.args...)
			testutil.AwaitOwner(t, test.number)
			lo := testutil.Loopback(t)
			for _, addr := range lo.Addrs() {
				client, server := testutil.UDP(t, lo.NS, lo.NS, addr)
				testutil.EchoUDP(t, client, server, []byte("accept this"))
			}
			p.Signal(t, test.signal)
			if got := p.Wait(t); got != 0 || p.Stderr.String() != "" {
				t.Errorf("exit status %d and complaints %q, want 0 and none", got, &p.Stderr)
			}
			printed := p.Stdout.String()
			if got := strings.Count(printed, "\n"); got != test.lines {
				t.Errorf("printed %d lines, want %d:\n%s", got, test.lines, printed)
			}
			want := fmt.Sprintf(`^accept: queue %d\n#1 Output lo: UDP \S+ > \S+, 39 bytes\n(#.*\n){3}accept: 4 packets, 0 refused, 0 missed\n$`, test.number)
			if test.lines > 0 && !regexp.MustCompile(want).MatchString(printed) {
				t.Errorf("printed %q, want %s", printed, want)
			}
		})
	}
}

func testComplains(t *testing.T, program string) {
	owner := testutil.Start(t, program, "-queue", "3")
	testutil.AwaitOwner(t, 3)
	for _, test := range []struct {
		name   string
		args   []string
		status int
		want   string // part of standard error
	}{
		{"queue has an owner", []string{"-queue", "3"}, 1, "taken by program (process"},
		{"no such queue for IPv6", []string{"-6"}, 1, "ip6_queue"},
		{"number too large", []string{"-queue", "65536"}, 2, "want a number from 0 to 65535"},
		{"not a number", []string{"-queue", "all"}, 2, "want a number from 0 to 65535"},
		{"argument", []string{"4"}, 2, `unexpected argument "4"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			testutil.WantFailure(t, program, test.status, test.want, test.args...)
		})
	}
	owner.Interrupt(t)
}

// The error for an ordinary user names the missing privilege.
func testUnprivileged(t *testing.T, program string) {
	cmd := exec.Command(program)
	// Enter a user namespace whose capabilities do not apply to the network namespace.
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}
	p := testutil.StartCmd(t, cmd)
	if got := p.Wait(t); got != 1 || !strings.Contains(p.Stderr.String(), "CAP_NET_ADMIN") {
		t.Errorf("exit status %d, complaints %q, want 1 and the missing capability", got, &p.Stderr)
	}
}
