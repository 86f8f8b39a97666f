package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
	"github.com/ipqueue/ipqueue/queue"
)

func TestMain(m *testing.M) { testutil.Main(m) }

// feed adds a rule that sends the UDP packets of the test's network to queue 3.
func feed(t *testing.T, bypass bool) {
	t.Helper()
	to := netns.Queue{First: 3, Bypass: bypass}
	testutil.Feed(t, netns.Rule{Protocol: netns.UDP, Action: netns.Enqueue, Queue: to})
}

// serve binds the queue until the end of the test.
func serve(t *testing.T, number uint16) {
	t.Helper()
	q, err := queue.Open(context.Background(), queue.Config{Number: number})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
}

func TestDoctor(t *testing.T) {
	testutil.RequireKernel(t)
	program := testutil.Build(t)
	self := fmt.Sprintf("(process %d, ", os.Getpid())
	for _, test := range []struct {
		name   string
		setup  func(t *testing.T)
		args   string
		status int
		want   []string // parts of the output, in their order
	}{
		{"nothing is there", func(*testing.T) {}, "-queue 3", 1,
			[]string{"good", "Module nfnetlink_queue is available.", "note", "No program has bound queue 3.",
				"FAULT", "No rule sends packets to queue 3.", "-> add one", "Packets cannot flow: 1 FAULT"}},
		{"a rule drops", func(t *testing.T) { feed(t, false) }, "-queue 3", 1,
			[]string{"FAULT", "inet TestDoctor_a_rule_drops filter_hook3_0", "drops packets, because no program has bound queue 3", "-> start the program"}},
		{"a rule lets pass", func(t *testing.T) { feed(t, true) }, "-queue 3", 0,
			[]string{"note", "lets packets pass", "Packets can flow"}},
		{"it works", func(t *testing.T) { feed(t, false); serve(t, 3) }, "-queue=3", 0,
			[]string{"Queue 3 belongs to netlink port", "in mode WholePacket.", "queue 3 sends packets to this queue", "Packets can flow"}},
		{"two queues of a process", func(t *testing.T) { feed(t, false); serve(t, 3); serve(t, 4) }, "-queue 3", 0,
			[]string{"good", "Queue 3 belongs", self, "note", "Queue 4 belongs", self}},
		{"another queue", func(t *testing.T) { feed(t, false); serve(t, 3) }, "", 1,
			[]string{"note", "Queue 3 belongs to", "No rule sends packets to queue 0", "Packets cannot flow"}},
		{"no ip_queue", func(*testing.T) {}, "-ip_queue", 1, []string{"Module ip_queue is not loaded", "use nfnetlink_queue"}},
		{"no ip6_queue", func(*testing.T) {}, "-6", 1, []string{"Module ip6_queue is not loaded"}},
		{"flags", func(t *testing.T) { feed(t, true) }, "-queue 3 -owner -failopen -length 1", 0,
			[]string{"supports Config.FailOpen", "supports Config.Owner", "a receive buffer of 2048 bytes"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.setup(t)
			wantEnd(t, testutil.Start(t, program, strings.Fields(test.args)...), test.status, test.want...)
		})
	}
}

// wantEnd checks the exit status of the process, and that its output contains
// the texts in order.
func wantEnd(t *testing.T, p *testutil.Process, status int, want ...string) {
	t.Helper()
	if got := p.Wait(t); got != status {
		t.Errorf("exit status %d, want %d", got, status)
	}
	printed := p.Stdout.String() + p.Stderr.String()
	rest := printed
	for _, part := range want {
		_, after, found := strings.Cut(rest, part)
		if !found {
			t.Errorf("no %q, in this order, in\n%s", part, printed)
			return
		}
		rest = after
	}
}

// TestDoctorUnprivileged checks that an ordinary user learns which privilege is
// missing, and what could not be checked.
func TestDoctorUnprivileged(t *testing.T) {
	testutil.RequireKernel(t)
	cmd := exec.Command(testutil.Build(t), "-queue", "3")
	// Enter a user namespace whose capabilities do not apply to the network namespace.
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}
	wantEnd(t, testutil.StartCmd(t, cmd), 1, "FAULT", "CAP_NET_ADMIN", "not seen", "Cannot read the rules of nftables", "Packets cannot flow")
}

func TestDoctorCommandLine(t *testing.T) {
	testutil.RequireKernel(t)
	program := testutil.Build(t)
	for args, want := range map[string]string{
		"-queue 65536": "want a number from 0 to 65535",
		"-queue all":   "want a number from 0 to 65535",
		"4":            `unexpected argument "4"`,
	} {
		wantEnd(t, testutil.Start(t, program, strings.Fields(args)...), 2, want)
	}
}
