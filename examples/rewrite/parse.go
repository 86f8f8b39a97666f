package main

import (
	"errors"
	"io"
	"strconv"

	"github.com/ipqueue/ipqueue/examples/internal/cli"
	"github.com/ipqueue/ipqueue/examples/internal/numbers"
	"github.com/ipqueue/ipqueue/queue"
)

func parse(args []string, help io.Writer) (c queue.Config, r *rewriter, err error) {
	// A GSO packet is several: a text must not be found across two datagrams,
	// and they cannot change their length as one. Bulk TCP is slower for it.
	c.NoGSO = true
	r = &rewriter{}
	flags := program.Flags()
	flags.Func("queue", "queue `N` of nfnetlink_queue (default 0)", numbers.Decimal(&c.Number))
	flags.Func("from", "the `text` to replace", unquote(&r.from))
	flags.Func("to", "the `text` to put in its place", unquote(&r.to))
	flags.Func("pad", "in TCP, the `byte` to fill the length of a shorter text with", unquote(&r.pad))
	if err := program.Parse(flags, args, help); err != nil {
		return c, r, err
	}
	return c, r, r.check()
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

func (r *rewriter) check() error {
	switch {
	case len(r.from) == 0:
		return cli.Misuse("-from is missing")
	case len(r.pad) > 1:
		return cli.Misuse("-pad takes one byte")
	}
	return nil
}
