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
	// A GSO packet contains several packets: a text must not be found across
	// two datagrams, and the length of a GSO packet cannot change. Without GSO,
	// bulk TCP is slower.
	c.NoGSO = true
	r = &rewriter{}
	flags := program.Flags()
	flags.Func("queue", "queue `N` of nfnetlink_queue (default 0)", numbers.Decimal(&c.Number))
	flags.Func("from", "replace `TEXT`", unquote(&r.from))
	flags.Func("to", "put `TEXT` in its place", unquote(&r.to))
	flags.Func("pad", "pad a shorter text in TCP with `BYTE`", unquote(&r.pad))
	if err := program.Parse(flags, args, help); err != nil {
		return c, r, err
	}
	return c, r, r.check()
}

// unquote returns a function that decodes the escapes in a flag's value and stores
// the result.
func unquote(to *[]byte) func(string) error {
	return func(s string) error {
		for len(s) > 0 {
			c, multibyte, rest, err := strconv.UnquoteChar(s, 0)
			if err != nil {
				return errors.New("invalid escape")
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
		return cli.Misuse("-pad must be one byte")
	}
	return nil
}
