// Package testutil helps tests that meet the real kernel: it puts them into a
// network of their own, skips what the kernel refuses, sends packets and finds
// leaks.
package testutil

import (
	"flag"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/leak"
	"github.com/ipqueue/ipqueue/internal/netns"
)

// patience is how long a helper waits for what must come. Nothing is tested by
// how long it takes.
const patience = 20 * time.Second

// Main is what TestMain calls. It runs the tests inside namespaces of their
// own, where the kernel permits that, and makes the run fail if goroutines or
// descriptors are left at its end. Where the kernel forbids namespaces, tests
// that meet it are skipped (see RequireKernel), and Main says how many.
func Main(m *testing.M) {
	refusal := netns.Enter()
	code := run(m, os.Stderr, patience)
	if n := outside.Load(); n > 0 {
		warn(n, refusal)
	}
	os.Exit(code)
}

// warn says that tests were skipped. go test shows nothing that a package
// prints which passes, unless it is verbose, so a warning goes to the terminal
// too.
func warn(n int64, refusal error) {
	text := fmt.Sprintf("testutil: WARNING: %d TESTS OF %s DID NOT MEET THE KERNEL AND WERE SKIPPED: %v\n", n, os.Args[0], refusal)
	fmt.Fprint(os.Stderr, text)
	if testing.Verbose() {
		return
	}
	if terminal, err := os.OpenFile("/dev/tty", os.O_WRONLY, 0); err == nil {
		fmt.Fprint(terminal, text)
		terminal.Close()
	}
}

// run returns the exit status of the tests or, if they succeed, that of the
// search for leaks.
func run(tests interface{ Run() int }, report io.Writer, within time.Duration) int {
	before := leak.Take()
	if code := tests.Run(); code != 0 || fuzzing() {
		return code
	}
	leaks := before.Leaks(within)
	for _, l := range leaks {
		fmt.Fprintf(report, "testutil: left after the last test: %s\n", l)
	}
	return min(len(leaks), 1)
}

// fuzzing reports whether the testing package fuzzes, in which case it keeps
// descriptors of its own open.
func fuzzing() bool {
	f := flag.Lookup("test.fuzz")
	return f != nil && f.Value.String() != ""
}
