// Bench measures packet queues from end to end: packets that the kernel made,
// through its queue and a consumer's verdicts. It compares this library with
// github.com/florianl/go-nfqueue and with consumers written in C.
//
//	cd bench && go run .
//
// It enters namespaces of its own and measures all rows in turn, over several
// rounds. Each row has a consumer process on one processor and a generator on
// another. README.md tells how to read what it writes.
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

// run measures and reports. It fails if one row did.
func run(o options) error {
	if o.list {
		return listRows(os.Stdout, o)
	}
	if err := netns.Enter(); err != nil {
		return err
	}
	// Processes started from here die with this thread.
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
