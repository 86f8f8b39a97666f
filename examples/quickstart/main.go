// Quickstart demonstrates the library without any set-up. It creates a private
// network namespace, installs a rule there that sends every packet to the
// kernel's queue, sends packets to itself over ICMP, UDP and TCP, and decides
// each of them: it drops one, replaces one by a longer one, and accepts the
// others. Then it checks what arrived. (Since Linux 7.2 only root can replace
// packets; for other users the program prints that.)
//
//	go run ./examples/quickstart             # any user, nothing to install
//	go run ./examples/quickstart -queue 5    # what rules of this machine send to queue 5
//
// If the system is not Linux, or does not let the user create a network
// namespace, the program uses a simulated kernel in its own process, and prints
// that. With -queue it needs root, and accepts and shows all packets until
// Ctrl-C.
//
// The exit status is 1 if a result is not as expected.
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
	out := &output{Writer: stdout}
	show := &screen{out, colourful(stdout, os.Getenv)}
	if o.watch {
		err = watch(ctx, show, o.number)
	} else {
		err = demonstrate(ctx, show, place(show))
	}
	if err == nil {
		err = out.err
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
