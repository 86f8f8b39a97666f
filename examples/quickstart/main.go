// Quickstart shows the library at work, in a moment and without any set-up. It
// makes a network of its own, installs a rule that sends every packet to the
// kernel's queue, talks to itself by ICMP, UDP and TCP, and decides each
// packet: one is dropped, one is replaced by a longer one, the others go on.
// (Linux 7.2 and later let root alone replace packets: others are told so.)
// Then it compares what arrived with what should have.
//
//	go run ./examples/quickstart             # any user, nothing to install
//	go run ./examples/quickstart -queue 5    # what rules of this machine send to queue 5
//
// Where the kernel permits no network of its own to a user, or is not Linux,
// the same program runs on a kernel in its own process, and says so. With
// -queue it needs root and shows and accepts all packets until Ctrl-C.
//
// It exits with status 1 if anything went otherwise than expected.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run returns the exit status.
func run(args []string, stdout *os.File, stderr io.Writer) int {
	o, err := parse(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "quickstart: %v (see quickstart -h)\n", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	show := &screen{stdout, colourful(stdout, os.Getenv)}
	if o.watch {
		err = watch(ctx, show, o.number)
	} else {
		err = demonstrate(ctx, show, place(show))
	}
	if err != nil {
		fmt.Fprintln(stderr, "quickstart:", err)
		return 1
	}
	return 0
}

// options are the values of the command line.
type options struct {
	watch  bool // show a queue of this machine
	number uint16
}

// parse reads args, and prints to help if they ask for that.
func parse(args []string, help io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // an error is one line
	flags.Func("queue", "accept and show the packets of queue `N` of this machine instead", func(s string) error {
		n, err := strconv.ParseUint(s, 10, 16)
		if err != nil {
			return errors.New("want a number from 0 to 65535")
		}
		o = options{watch: true, number: uint16(n)}
		return nil
	})
	err = flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(help, "Usage: quickstart [flags]\n\nQuickstart shows packets and their verdicts in a private network namespace.\n\n")
		flags.SetOutput(help)
		flags.PrintDefaults()
	case err == nil && flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return o, err
}
