// Package testutil helps tests that use the real kernel: it puts them into a private
// network, skips tests that the kernel does not permit, sends packets, and finds
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

// patience is how long a helper waits for an event that must happen. It is long,
// because no test depends on speed.
const patience = 20 * time.Second

// Main runs the tests; call it from TestMain. If the kernel permits it, the tests run
// in private namespaces; otherwise tests that use the kernel are skipped (see
// RequireKernel), and Main prints their number. The run fails if goroutines or
// descriptors remain at its end.
func Main(m *testing.M) {
	refusal := netns.Enter()
	code := run(m, os.Stderr, patience)
	if n := outside.Load(); n > 0 {
		warn(n, refusal)
	}
	os.Exit(code)
}

// warn prints that tests were skipped. Unless it is verbose, go test hides the output
// of a package that passes, so the warning is also written to the terminal.
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

// run returns the exit status of the tests or, if they pass, that of the check for
// leaks.
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
