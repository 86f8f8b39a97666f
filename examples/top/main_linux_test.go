package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ipqueue/ipqueue/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

func TestTop(t *testing.T) {
	testutil.RequireKernel(t)
	program := testutil.Build(t)
	t.Run("key", func(t *testing.T) {
		testScreen(t, program, func(_ *testutil.Process, keyboard io.Writer) error {
			_, err := keyboard.Write([]byte("q"))
			return err
		})
	})
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			testScreen(t, program, func(p *testutil.Process, _ io.Writer) error {
				p.Signal(t, signal)
				return nil
			})
		})
	}
	t.Run("lines", func(t *testing.T) { testLines(t, program) })
	t.Run("complains", func(t *testing.T) { testComplains(t, program) })
}

// openTerminal returns both ends of a pseudo-terminal.
func openTerminal(t *testing.T) (screen, terminal *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		testutil.Lacks(t, testutil.Terminals, err)
	}
	t.Cleanup(func() { screen.Close() })
	number, err := unix.IoctlGetInt(int(screen.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(screen.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(screen.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 30, Col: 100})
	}
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		testutil.Lacks(t, testutil.Terminals, err)
	}
	t.Cleanup(func() { terminal.Close() })
	return screen, terminal
}

func settings(t *testing.T, terminal *os.File) unix.Termios {
	t.Helper()
	s, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return *s
}

// testScreen runs the program at a terminal. At its end the settings of the
// terminal must be as before.
func testScreen(t *testing.T, program string, end func(p *testutil.Process, keyboard io.Writer) error) {
	testutil.FeedUDP(t, 3)
	screen, terminal := openTerminal(t)
	before := settings(t, terminal)
	cmd := exec.Command("/bin/sh", "-c", `exec "$0" "$@" <&3 >&3`, program, "-queue", "3", "-interval", "10ms")
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TERM=xterm-256color", "NO_COLOR=")
	cmd.ExtraFiles = []*os.File{terminal}
	p := testutil.StartCmd(t, cmd)
	shown := new(testutil.Output)
	go io.Copy(shown, screen) // ends when the terminal closes
	testutil.AwaitOwner(t, 3)
	lo := testutil.Loopback(t)
	client, server := testutil.UDP(t, lo.NS, lo.NS, lo.IPv6)
	for !strings.Contains(shown.String(), "UDP "+client.LocalAddr().String()) {
		testutil.EchoUDP(t, client, server, []byte("see this"))
	}
	shown.Await(t, "\x1b[1mqueue 3\x1b[m")
	if err := end(p, screen); err != nil {
		t.Fatal(err)
	}
	if got := p.Wait(t); got != 0 || p.Stderr.String() != "" {
		t.Errorf("exit status %d and complaints %q, want 0 and none", got, &p.Stderr)
	}
	if after := settings(t, terminal); after != before {
		t.Errorf("the terminal's settings are %+v, were %+v", after, before)
	}
	shown.Await(t, "\x1b[?1049l") // the program has left the alternate screen
}

// testLines runs the program with a terminal as its input or its output only, or one
// without a screen, whose settings must not change.
func testLines(t *testing.T, program string) {
	for _, test := range []struct{ redirect, terminal string }{
		{"<&3 >&4", "xterm"}, {"</dev/null >&3", "xterm"}, {"<&3 >&3", "dumb"},
	} {
		redirect := test.redirect
		t.Run(redirect, func(t *testing.T) {
			testutil.FeedUDP(t, 3)
			screen, terminal := openTerminal(t)
			before := settings(t, terminal)
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			defer w.Close()
			cmd := exec.Command("/bin/sh", "-c", `exec "$0" "$@" `+redirect, program, "-queue", "3", "-interval", "10ms")
			cmd.Env = append(os.Environ(), "TERM="+test.terminal)
			cmd.ExtraFiles = []*os.File{terminal, w}
			p := testutil.StartCmd(t, cmd)
			shown := new(testutil.Output)
			from := r
			if strings.HasSuffix(redirect, ">&3") {
				from = screen
			}
			go io.Copy(shown, from)
			shown.Await(t, "packets/s")
			if during := settings(t, terminal); during != before {
				t.Errorf("the terminal's settings are %+v, were %+v", during, before)
			}
			p.Interrupt(t)
			if got := shown.String(); strings.Contains(got, "\x1b") {
				t.Errorf("printed %q, want no escape sequences", got)
			}
		})
	}
}

func testComplains(t *testing.T, program string) {
	for _, test := range []struct {
		args []string
		want string // part of standard error
	}{
		{[]string{"-queue", "65536"}, "65536"},
		{[]string{"-interval", "9ms"}, "-interval must be 10ms or more, not 9ms"},
		{[]string{"all"}, `unexpected argument "all"`},
	} {
		testutil.WantFailure(t, program, 2, test.want, test.args...)
	}
}
