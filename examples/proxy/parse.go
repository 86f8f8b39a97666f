package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"strconv"
)

// parse reads the command line, and tells output what is wrong with it.
func parse(args []string, output io.Writer) (number uint16, c policy, err error) {
	c = policy{proxy: 1, direct: 2}
	set := flag.NewFlagSet("proxy", flag.ContinueOnError)
	set.SetOutput(output)
	set.Func("queue", "queue `N` of nfnetlink_queue (default 0)", func(s string) (err error) {
		number, err = parsePort(s)
		return err
	})
	set.Func("to", "`network` whose connections take the proxy, as 192.0.2.0/24; may be repeated (default all)",
		func(s string) error {
			prefix, err := parsePrefix(s)
			c.to = append(c.to, prefix)
			return err
		})
	set.Func("port", "destination `port` whose connections take the proxy; may be repeated (default all)",
		func(s string) error {
			port, err := parsePort(s)
			c.ports = append(c.ports, port)
			return err
		})
	set.Func("mark", "`mark` that means the proxy (default 1)", parseMark(&c.proxy))
	set.Func("direct", "`mark` that means no proxy (default 2)", parseMark(&c.direct))
	if err := set.Parse(args); err != nil {
		return number, c, err
	}
	switch {
	case set.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", set.Arg(0))
	case c.proxy == c.direct:
		err = errors.New("-mark and -direct must differ")
	}
	if err != nil {
		fmt.Fprintln(output, err)
		set.Usage()
	}
	return number, c, err
}

// parsePort also reads queue numbers, which have 16 bits too.
func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), errors.Unwrap(err)
}

// parsePrefix takes an address for a network of one.
func parsePrefix(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(addr.WithZone(""), addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		return prefix, errors.New("neither an address nor a network such as 192.0.2.0/24")
	}
	return prefix, nil
}

// parseMark returns a function that stores a flag's value, decimal or 0x...
func parseMark(to *uint32) func(string) error {
	return func(s string) error {
		n, err := strconv.ParseUint(s, 0, 32)
		if err != nil {
			return errors.Unwrap(err)
		}
		if n == 0 {
			return errors.New("0 is the mark of packets that are not decided yet")
		}
		*to = uint32(n)
		return nil
	}
}
