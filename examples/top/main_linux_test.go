package main

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/ipqueue/ipqueue/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

func TestTop(t *testing.T) {
	testutil.RequireKernel(t)
	program := testutil.Build(t)
	t.Run("key", func(t *testing.T) {
		testShows(t, program, func(_ *testutil.Process, keyboard io.Writer) error {
			_, err := keyboard.Write([]byte("q"))
			return err
		})
	})
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			testShows(t, program, func(p *testutil.Process, _ io.Writer) error {
				p.Signal(t, signal)
				return nil
			})
		})
	}
	t.Run("complains", func(t *testing.T) { testComplains(t, program) })
}

// testShows drives the program without a terminal: pipes are its keyboard and
// its screen.
func testShows(t *testing.T, program string, end func(p *testutil.Process, keyboard io.Writer) error) {
	testutil.FeedUDP(t, 3)
	cmd := exec.Command(program, "-queue", "3", "-interval", "10ms")
	keyboard, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := testutil.StartCmd(t, cmd)
	testutil.AwaitOwner(t, 3)
	lo := testutil.Loopback(t)
	client, server := testutil.UDP(t, lo.NS, lo.NS, lo.IPv6)
	for !strings.Contains(p.Stdout.String(), "UDP "+client.LocalAddr().String()) {
		testutil.EchoUDP(t, client, server, []byte("see this"))
	}
	p.Stdout.Await(t, "Queue 3, for ")
	if err := end(p, keyboard); err != nil {
		t.Fatal(err)
	}
	if got := p.Wait(t); got != 0 || p.Stderr.String() != "" {
		t.Errorf("exit status %d and complaints %q, want 0 and none", got, &p.Stderr)
	}
}

func testComplains(t *testing.T, program string) {
	for _, test := range []struct {
		args []string
		want string // part of standard error
	}{
		{[]string{"-queue", "65536"}, "value out of range"},
		{[]string{"-interval", "9ms"}, "want 10ms or more"},
		{[]string{"all"}, `unexpected argument "all"`},
	} {
		testutil.WantFailure(t, program, 2, test.want, test.args...)
	}
}
