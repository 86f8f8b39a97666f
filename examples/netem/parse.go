package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/ipqueue/ipqueue/examples/internal/cli"
	"github.com/ipqueue/ipqueue/examples/internal/numbers"
)

// options are the values of the command line.
type options struct {
	network
	number uint16
	limit  int
}

func parse(args []string, help io.Writer) (options, error) {
	o := options{network: network{seed: rand.Uint64(), mark: defaultMark}}
	flags := program.Flags()
	flags.Func("queue", "queue `N` of nfnetlink_queue (default 0)", numbers.Decimal(&o.number))
	flags.DurationVar(&o.delay, "delay", 0, "delay each packet by `TIME`")
	flags.DurationVar(&o.jitter, "jitter", 0, "add a random time from -TIME to `TIME` to the delay")
	flags.TextVar(&o.distribution, "distribution", uniform, "`DISTRIBUTION` of the jitter: uniform, normal or pareto")
	flags.Var(&o.loss, "loss", "lose `PERCENT` of packets")
	flags.Var(&o.correlation, "correlation", "`PERCENT` of correlation between a loss and the next one")
	flags.Var(&o.reorder, "reorder", "send `PERCENT` of packets without delay")
	flags.Var(&o.duplicate, "duplicate", "send `PERCENT` of packets twice")
	flags.Var(&o.corrupt, "corrupt", "change a bit in `PERCENT` of packets")
	flags.Func("mark", fmt.Sprintf("set `MARK` on duplicates (default %#x)", defaultMark), numbers.Mark(&o.mark))
	flags.Var(&o.rate, "rate", "limit of `RATE` bits per second, as in 64kbit or 2mbit (default no limit)")
	flags.IntVar(&o.limit, "limit", 1000, "hold at most `N` packets")
	flags.Uint64Var(&o.seed, "seed", o.seed, "make the random choices that `NUMBER` determines")
	flags.Lookup("seed").DefValue = "random" // in the help
	if err := program.Parse(flags, args, help); err != nil {
		return o, err
	}
	if err := needs(flags); err != nil {
		return o, err
	}
	return o, o.check()
}

// needs returns an error if a flag has no effect because another one is missing.
func needs(flags *flag.FlagSet) error {
	given := make(map[string]bool)
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	switch {
	case given["reorder"] && !given["delay"] && !given["jitter"]:
		return cli.Misuse("-reorder has no effect without -delay")
	case given["distribution"] && !given["jitter"]:
		return cli.Misuse("-distribution has no effect without -jitter")
	case given["correlation"] && !given["loss"]:
		return cli.Misuse("-correlation has no effect without -loss")
	}
	return nil
}

func (o options) check() error {
	switch {
	case o.delay < 0 || o.jitter < 0 || o.delay > maxTime || o.jitter > maxTime:
		return cli.Misuse("-delay and -jitter must be from 0 to %v", maxTime)
	case o.mark == 0:
		return cli.Misuse("-mark must not be 0, the mark of other packets")
	case o.limit < 1 || o.limit > maxLimit:
		return cli.Misuse("-limit must be from 1 to %d, the most that the kernel holds", maxLimit)
	}
	return nil
}

const (
	maxTime     = time.Hour
	maxLimit    = 65535
	defaultMark = 0x6e65
)

func (s *share) String() string { return fmt.Sprintf("%g%%", float64(*s)*100) }

// Set reads a percentage, with or without its sign.
func (s *share) Set(text string) error {
	percent, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	if err != nil || !(percent >= 0 && percent <= 100) {
		return errors.New("want 0% to 100%")
	}
	*s = share(percent / 100)
	return nil
}

// units are those of tc(8).
var units = []struct {
	name string
	bits float64
}{{"kbit", 1e3}, {"mbit", 1e6}, {"gbit", 1e9}, {"bit", 1}}

func (r *bitRate) String() string { return fmt.Sprintf("%dbit", uint64(*r)) }

// Set reads a number and its unit.
func (r *bitRate) Set(text string) error {
	for _, unit := range units {
		number, found := strings.CutSuffix(text, unit.name)
		if !found {
			continue
		}
		n, err := strconv.ParseFloat(number, 64)
		if n *= unit.bits; err != nil || !(n >= 1 && n <= math.MaxInt32*1e3) {
			break
		}
		*r = bitRate(n)
		return nil
	}
	return errors.New("want a rate such as 100bit, 64kbit, 2.5mbit or 1gbit")
}
