// Package cli gives the command lines of the examples one style: -h prints what
// the program does and its flags, and an error is one line.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/ipqueue/ipqueue/examples/internal/numbers"
	"github.com/ipqueue/ipqueue/queue"
)

// A Program contains what -h prints about a program.
type Program struct {
	Name      string
	Arguments string // the arguments after the flags, "" for none
	About     string // what the program does, in one sentence
}

// Flags returns an empty set of flags for Parse.
func (p Program) Flags() *flag.FlagSet {
	flags := flag.NewFlagSet(p.Name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return flags
}

// Parse parses the arguments. If they contain -h, it prints the help and
// returns flag.ErrHelp.
func (p Program) Parse(flags *flag.FlagSet, args []string, help io.Writer) error {
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		p.print(flags, help)
		return err
	case err != nil:
		return misuse{explain(flags, err)}
	case p.Arguments == "" && flags.NArg() > 0:
		return Misuse("unexpected argument %q", flags.Arg(0))
	}
	return nil
}

// explain returns the error of a flag with what the flag accepts, which package
// flag leaves out for times and numbers.
func explain(flags *flag.FlagSet, err error) error {
	text := err.Error()
	short, found := strings.CutSuffix(text, "parse error")
	if !found {
		short, found = strings.CutSuffix(text, "value out of range")
	}
	name := strings.TrimSuffix(short[strings.LastIndexByte(short, '-')+1:], ": ")
	f := flags.Lookup(name)
	if !found || f == nil {
		return err
	}
	if getter, ok := f.Value.(flag.Getter); ok {
		switch getter.Get().(type) {
		case time.Duration:
			return errors.New(short + "want a time such as 300ms or 1.5s")
		case int:
			return errors.New(short + "want a whole number")
		case uint64:
			return errors.New(short + "want a whole number from 0 to 18446744073709551615")
		}
	}
	return err
}

func (p Program) print(flags *flag.FlagSet, help io.Writer) {
	usage := "Usage: " + p.Name + " [flags]"
	if p.Arguments != "" {
		usage += " " + p.Arguments
	}
	fmt.Fprintf(help, "%s\n\n%s\n\n", usage, p.About)
	flags.SetOutput(help)
	flags.PrintDefaults()
}

// A misuse is an error in the command line.
type misuse struct{ error }

func (m misuse) Unwrap() error { return m.error }

// Misuse returns an error about the command line. It formats as fmt.Errorf does.
func Misuse(format string, args ...any) error { return misuse{fmt.Errorf(format, args...)} }

// Exit ends the program because of the error, which may be nil: with status 2
// if the command line is wrong, 1 for other errors, and 0 after help, or if a
// signal ended the context of what the program was about to do.
func (p Program) Exit(err error) { os.Exit(p.report(err, os.Stderr)) }

func (p Program) report(err error, to io.Writer) (status int) {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp), errors.Is(err, context.Canceled):
		return 0
	case errors.As(err, new(misuse)):
		fmt.Fprintf(to, "%s: %v (see %[1]s -h)\n", p.Name, err)
		return 2
	}
	fmt.Fprintf(to, "%s: %v\n", p.Name, err)
	return 1
}

// QueueName returns the name of an open queue: "queue 3", or "ip6_queue".
// family is that of its Config.
func QueueName(q *queue.Queue, family queue.Family) string {
	switch {
	case q.Backend() != queue.IPQueue:
		return fmt.Sprintf("queue %d", q.Number())
	case family == queue.IPv6:
		return "ip6_queue"
	}
	return "ip_queue"
}

// Queue defines the flags -queue and -6, which select the queue to open.
func Queue(flags *flag.FlagSet, c *queue.Config) {
	numbered := false
	flags.Func("queue", "queue `N` of nfnetlink_queue (default 0)", func(s string) error {
		if c.Family == queue.IPv6 {
			return errors.New("ip6_queue has no number: leave out -6 or -queue")
		}
		numbered = true
		return numbers.Decimal(&c.Number)(s)
	})
	flags.BoolFunc("6", "ip6_queue instead of nfnetlink_queue (Linux before 3.5)", func(string) error {
		if numbered {
			return errors.New("ip6_queue has no number: leave out -6 or -queue")
		}
		c.Backend, c.Family = queue.IPQueue, queue.IPv6
		return nil
	})
}
