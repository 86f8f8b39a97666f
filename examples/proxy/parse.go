package main

import (
	"errors"
	"io"
	"net/netip"
	"strconv"

	"github.com/ipqueue/ipqueue/examples/internal/cli"
	"github.com/ipqueue/ipqueue/examples/internal/numbers"
)

func parse(args []string, help io.Writer) (number uint16, c policy, err error) {
	c = policy{proxy: 1, direct: 2}
	flags := program.Flags()
	flags.Func("queue", "queue `N` of nfnetlink_queue (default 0)", numbers.Decimal(&number))
	flags.Func("to", "proxy to `NETWORK`, as 192.0.2.0/24; may be repeated (default all)",
		func(s string) error {
			prefix, err := parsePrefix(s)
			c.to = append(c.to, prefix)
			return err
		})
	flags.Func("port", "proxy connections to `PORT`; may be repeated (default all)",
		func(s string) error {
			port, err := parsePort(s)
			c.ports = append(c.ports, port)
			return err
		})
	flags.Func("mark", "set `MARK` on connections that go to the proxy (default 1)", parseMark(&c.proxy))
	flags.Func("direct", "set `MARK` on all other connections (default 2)", parseMark(&c.direct))
	if err := program.Parse(flags, args, help); err != nil {
		return number, c, err
	}
	if c.proxy == c.direct {
		err = cli.Misuse("-mark and -direct must differ")
	}
	return number, c, err
}

func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, errors.New("want a number from 1 to 65535")
	}
	return uint16(n), nil
}

// parsePrefix parses a network. A single address is a network of one.
func parsePrefix(s string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(s)
	if addr, e := netip.ParseAddr(s); e == nil {
		prefix, err = netip.PrefixFrom(addr.WithZone(""), addr.BitLen()), nil
	}
	switch {
	case err != nil:
		return prefix, errors.New("want an address or a network such as 192.0.2.0/24")
	case prefix.Addr().Is4In6(): // no packet has such an address
		return prefix, errors.New("want an IPv4 address as IPv4, such as 192.0.2.1")
	}
	return prefix.Masked(), nil
}

// parseMark returns a function that stores a flag's value, decimal or 0x...
func parseMark(to *uint32) func(string) error {
	return func(s string) error {
		if err := numbers.Mark(to)(s); err != nil {
			return err
		}
		if *to == 0 {
			return errors.New("0 is the mark of undecided packets")
		}
		return nil
	}
}
