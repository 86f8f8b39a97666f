// Soak keeps queues under load for as long as it is told, disturbs them in
// every way it knows, and checks that their books balance.
//
//	cd bench && go run ./soak -time 30m
//
// It enters namespaces of its own and needs no privilege where user namespaces
// are allowed. In rounds of ten seconds UDP of all sizes, echo requests and TCP
// with large segments go through
//
//   - queue 1, served by this process, closed and opened again all the time;
//   - queue 2, likewise, with what queue 1 hands on to it (Requeue);
//   - queue 3, served by a process that is stopped, continued, killed and
//     started again.
//
// What is random comes from the seed, which is printed: configurations,
// verdicts, packets held and forgotten, pauses, modes and ends. The order of
// goroutines and packets does not, so that a seed makes a failure likely again,
// not certain. Each opening ends with an audit: the counters of Stats against
// each other, against the verdicts given, against the kernel's row of the
// queue and against the packets that a rule behind the queue has counted. Each
// byte of a datagram is checked when the verdict is given, however long the
// packet was held, and where it arrives, which it must do once only; each byte
// of a connection where it arrives; checksums by the kernel's counters. After
// each round nothing may be left: no packet in the kernel, no goroutine, no
// descriptor, and no more memory than after the first rounds.
//
// It prints a line for each round and ends with exit status 1 at the first
// violation.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/ipqueue/ipqueue/internal/netns"
)

// options are what the command line says.
type options struct {
	time, round time.Duration
	seed        uint64
}

func main() {
	if status, played := playRole(os.Args); played {
		os.Exit(status)
	}
	o := options{}
	flag.DurationVar(&o.time, "time", time.Minute, "how long to soak")
	flag.DurationVar(&o.round, "round", 10*time.Second, "length of a round")
	flag.Uint64Var(&o.seed, "seed", rand.Uint64(), "what to begin with")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "soak: unexpected argument %q (see soak -h)\n", flag.Arg(0))
		os.Exit(2)
	}
	if err := enterAndRun(o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func enterAndRun(o options, w io.Writer) error {
	if err := netns.Enter(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return run(ctx, o, w)
}
