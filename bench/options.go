package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// options contains the values of the command line.
type options struct {
	rounds    int
	duration  time.Duration // of each measurement
	sizes     []int         // of UDP datagrams, bytes
	match     *regexp.Regexp
	consumers int    // number in the row with several
	dir       string // for the files; "" writes none
	list      bool
	marks     bool // print the table of marks
}

const usage = `Bench compares the library on the real kernel with go-nfqueue and consumers in C.
It runs in private namespaces, so it needs no privilege if user namespaces are allowed.

`

// parseOptions parses the arguments after the name of the program. If they request
// help, it writes the help to w and returns flag.ErrHelp.
func parseOptions(args []string, w io.Writer) (options, error) {
	o := options{sizes: []int{64, 512, 1400}, match: regexp.MustCompile("")}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.IntVar(&o.rounds, "rounds", 11, "measure each row `N` times")
	f.DurationVar(&o.duration, "time", 400*time.Millisecond, "length of each measurement")
	f.IntVar(&o.consumers, "consumers", 4, "`number` of consumers in the row with several")
	f.BoolVar(&o.list, "list", false, "list the rows and stop")
	f.StringVar(&o.dir, "o", "", "`directory` for the files (default results for a whole run, none with -quick or -run)")
	f.Func("sizes", "`bytes` in the UDP datagrams (default 64,512,1400)", o.setSizes)
	f.Func("run", "measure only the rows whose names match the `regexp`", o.setMatch)
	f.BoolVar(&o.marks, "marks", false, "also print the table of marks: the goals of the project, and the measured values")
	quick := f.Bool("quick", false, "measure each row once, for a short time: a test, not a benchmark")
	err := f.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(w, usage)
		f.SetOutput(w)
		f.PrintDefaults()
	}
	if err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	o.complete(f, *quick)
	return o, o.check()
}

// complete sets the defaults that depend on other flags.
func (o *options) complete(f *flag.FlagSet, quick bool) {
	given := make(map[string]bool)
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if !given["o"] && !quick && !given["run"] {
		o.dir = "results"
	}
	if !quick {
		return
	}
	if !given["rounds"] {
		o.rounds = 1
	}
	if !given["time"] {
		o.duration = 150 * time.Millisecond
	}
	if !given["sizes"] {
		o.sizes = []int{64, 1400}
	}
}

func (o *options) check() error {
	if o.rounds < 1 || o.duration <= 0 || o.consumers < 1 {
		return errors.New("rounds, time and consumers must be positive")
	}
	return nil
}

// largestDatagram is the size of the largest UDP datagram: an IPv4 packet without
// its headers.
const largestDatagram = 1<<16 - 1 - 20 - 8

func (o *options) setSizes(text string) error {
	o.sizes = nil
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil {
			return err
		}
		if n < 1 || n > largestDatagram {
			return fmt.Errorf("a datagram has 1 to %d bytes, not %d", largestDatagram, n)
		}
		o.sizes = append(o.sizes, n)
	}
	slices.Sort(o.sizes)
	o.sizes = slices.Compact(o.sizes)
	return nil
}

func (o *options) setMatch(text string) (err error) {
	o.match, err = regexp.Compile(text)
	return err
}

// warmUp returns how long a row runs before it is measured.
func (o *options) warmUp() time.Duration {
	return max(o.duration/4, 100*time.Millisecond)
}
