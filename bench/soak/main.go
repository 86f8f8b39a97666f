// Soak keeps queues under load, disturbs them at random, and checks that all counts
// agree.
//
//	cd bench && go run ./soak -time 30m
//
// It runs in private namespaces and needs no privilege if user namespaces are allowed.
// In rounds of ten seconds, it sends UDP datagrams of all sizes, echo requests and TCP
// with large segments through
//
//   - queue 1, served by this process, closed and opened again all the time;
//   - queue 2, likewise, with the packets that queue 1 moves to it (Requeue);
//   - queue 3, served by a process that is stopped, continued, killed and
//     started again.
//
// The seed, which it prints, determines all random choices: configurations, verdicts,
// packets held and forgotten, pauses, modes and ends. It does not determine the order
// of goroutines and packets, so the same seed makes the same failure likely, but not
// certain.
//
// After each opening of a queue, soak compares the counters of Stats with each other,
// with the verdicts given, with the kernel's row of the queue, and with the packets
// that rules after the queue counted. It checks each byte of a datagram at the verdict,
// however long the packet was held, and again on arrival; a datagram must not arrive
// twice. It checks each byte of a connection on arrival, and the kernel's counters of
// checksum errors. After each round nothing may be left: no packet in the kernel, no
// goroutine, no descriptor, and no more memory than after the first rounds.
//
// It prints a line for each round, and ends with exit status 1 at the first violation.
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

// options contains the values of the command line.
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
	flag.Uint64Var(&o.seed, "seed", rand.Uint64(), "`number` that determines the random choices")
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
