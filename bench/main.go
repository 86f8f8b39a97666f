// Bench measures packet queues from end to end: the kernel creates packets and
// queues them, and a consumer decides them. It compares this library with
// github.com/florianl/go-nfqueue and with consumers written in C.
//
//	cd bench && go run .
//
// It runs in private namespaces and measures all rows in turn, in several rounds.
// Each row has a consumer process on one processor and a generator on another.
// README.md explains the report.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/ipqueue/ipqueue/internal/netns"
)

func main() {
	if status, played := playRole(os.Args); played {
		os.Exit(status)
	}
	o, err := parseOptions(os.Args[1:], os.Stdout)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = run(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures and reports. It fails if a measurement failed.
func run(o options) error {
	if o.list {
		return listRows(os.Stdout, o)
	}
	if err := netns.Enter(); err != nil {
		return err
	}
	// The processes started here end when this thread ends (PR_SET_PDEATHSIG).
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r, err := benchmark(ctx, o)
	if err != nil {
		return err
	}
	if err := r.publish(os.Stdout, o.dir); err != nil {
		return err
	}
	if o.marks {
		if err := r.writeMarks(os.Stdout); err != nil {
			return err
		}
	}
	if n := len(r.failures); n > 0 {
		return fmt.Errorf("%d measurements failed", n)
	}
	return nil
}
