package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"

	"github.com/ipqueue/ipqueue/examples/internal/numbers"
	"github.com/ipqueue/ipqueue/queue"
)

// parse reads the command line, and tells output what is wrong with it.
func parse(args []string, output io.Writer) (c queue.Config, r *rewriter, err error) {
	// A GSO packet is several: a text must not be found across two datagrams,
	// and they cannot change their length as one. Bulk TCP is slower for it.
	c.NoGSO = true
	r = &rewriter{}
	set := flag.NewFlagSet("rewrite", flag.ContinueOnError)
	set.SetOutput(output)
	set.Func("queue", "queue `N` of nfnetlink_queue (default 0)", numbers.Decimal(&c.Number))
	set.Func("from", "the `text` to replace", unquote(&r.from))
	set.Func("to", "the `text` to put in its place", unquote(&r.to))
	set.Func("pad", "in TCP, the `byte` to fill the length of a shorter text with", unquote(&r.pad))
	if err := set.Parse(args); err != nil {
		return c, r, err
	}
	if err := r.check(set.Args()); err != nil {
		fmt.Fprintln(output, err)
		set.Usage()
		return c, r, err
	}
	return c, r, nil
}

// unquote returns a function that stores a flag's value, its escapes resolved.
func unquote(to *[]byte) func(string) error {
	return func(s string) error {
		for len(s) > 0 {
			c, multibyte, rest, err := strconv.UnquoteChar(s, 0)
			if err != nil {
				return errors.New("it has a bad escape")
			}
			s = rest
			if multibyte {
				*to = append(*to, string(c)...)
			} else {
				*to = append(*to, byte(c))
			}
		}
		return nil
	}
}

func (r *rewriter) check(arguments []string) error {
	switch {
	case len(arguments) > 0:
		return fmt.Errorf("unexpected argument %q", arguments[0])
	case len(r.from) == 0:
		return errors.New("-from is missing")
	case len(r.pad) > 1:
		return errors.New("-pad takes one byte")
	}
	return nil
}
