package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

func loadPolicy(name string) (*policy, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p, err := readPolicy(f)
	if unreadable := new(fs.PathError); errors.As(err, &unreadable) {
		return nil, unreadable
	}
	if err != nil {
		return nil, fmt.Errorf("%s:%w", name, err)
	}
	return p, nil
}

// readPolicy reads a rule from each line that is not empty. What follows a # is
// a comment. Its errors begin with the number of the line.
func readPolicy(r io.Reader) (*policy, error) {
	p, standards, number := new(policy), 0, 0
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		number++
		line, _, _ := strings.Cut(lines.Text(), "#")
		if number == 1 {
			line = strings.TrimPrefix(line, "\ufeff") // a byte order mark
		}
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if words[0] == "default" {
			standards++
		}
		if err := p.add(number, words); err != nil {
			return nil, fmt.Errorf("%d: %w", number, err)
		}
		if standards > 1 {
			return nil, fmt.Errorf("%d: a second default", number)
		}
	}
	err := lines.Err()
	switch {
	case errors.Is(err, bufio.ErrTooLong):
		err = errors.New("line is longer than 64 KiB")
	case err == nil && standards == 0:
		err = errors.New("no default: end with \"default drop\" or \"default accept\"")
	}
	if err != nil {
		return nil, fmt.Errorf("%d: %w", number+1, err)
	}
	return p, nil
}

func (p *policy) add(line int, words []string) (err error) {
	if words[0] == "default" {
		if len(words) != 2 {
			return errors.New("want default accept, default drop or default reject")
		}
		p.standard, err = parseAction(words[1])
		return err
	}
	r, err := parseRule(words)
	r.line = line
	p.rules = append(p.rules, r)
	p.names = p.names || r.in != "" || r.out != ""
	return err
}

func parseAction(word string) (action, error) {
	for _, a := range []action{accept, drop, reject} {
		if word == a.String() {
			return a, nil
		}
	}
	return 0, fmt.Errorf("want accept, drop or reject, not %q", word)
}

// parseRule parses an action and its conditions, which may be in any order:
//
//	in INTERFACE, out INTERFACE, PROTOCOL, type ICMP-TYPE, from END, to END
func parseRule(words []string) (r rule, err error) {
	if r.action, err = parseAction(words[0]); err != nil {
		return r, err
	}
	typ, seen := "", make(map[string]bool)
	for words = words[1:]; len(words) > 0; {
		word := words[0]
		words = words[1:]
		what := word
		switch word {
		case "in":
			r.in, words, err = parseLink(words)
		case "out":
			r.out, words, err = parseLink(words)
		case "from":
			r.from, words, err = parseEnd(words)
		case "to":
			r.to, words, err = parseEnd(words)
		case "type":
			typ, words, err = next(words, "an ICMP type")
		default:
			what = "protocol"
			r.protocol, err = parseProtocol(word)
		}
		if err != nil {
			if what != "protocol" {
				err = fmt.Errorf("%s: %w", what, err)
			}
			return r, err
		}
		if seen[what] {
			return r, fmt.Errorf("a second %s", what)
		}
		seen[what] = true
	}
	if seen["type"] {
		if r.icmp, err = parseICMP(r.protocol, typ); err != nil {
			return r, err
		}
	}
	return r, r.check()
}

// check returns an error if no packet can match all conditions.
func (r rule) check() error {
	if (r.from.last > 0 || r.to.last > 0) && !hasPorts(r.protocol) {
		return errors.New("a port needs a protocol that has ports: tcp, udp or sctp")
	}
	six := []bool{} // whether each address is one of IPv6
	for _, e := range []end{r.from, r.to} {
		if e.prefix.IsValid() {
			six = append(six, e.prefix.Addr().Is6())
		}
	}
	if len(six) == 2 && six[0] != six[1] {
		return errors.New("from and to mix IPv4 and IPv6")
	}
	if len(six) > 0 && (r.protocol == icmp4 && six[0] || r.protocol == icmp6 && !six[0]) {
		return errors.New("icmp is a protocol of IPv4, icmpv6 one of IPv6: the address is of the other")
	}
	return nil
}

// next returns the first word. It is an error if there is none.
func next(words []string, want string) (word string, rest []string, err error) {
	if len(words) == 0 {
		return "", nil, fmt.Errorf("want %s", want)
	}
	return words[0], words[1:], nil
}

// parseLink reads the name of an interface, or its beginning and a "*".
func parseLink(words []string) (l link, rest []string, err error) {
	word, rest, err := next(words, "the name of an interface")
	if err != nil {
		return "", nil, err
	}
	if len(word) > 15 || strings.Contains(strings.TrimSuffix(word, "*"), "*") || strings.Contains(word, "/") {
		return "", nil, fmt.Errorf("want the name of an interface, at most 15 bytes, or its beginning and a *, not %q", word)
	}
	return link(word), rest, nil
}

// protocols maps names to IANA numbers.
var protocols = map[string]uint8{
	"icmp": icmp4, "tcp": tcp, "udp": udp, "gre": 47, "esp": 50, "ah": 51, "icmpv6": icmp6, "sctp": 132,
}

func parseProtocol(word string) (uint8, error) {
	if n := protocols[word]; n != 0 {
		return n, nil
	}
	if n, err := parseByte(word); err == nil && n != 0 {
		return n, nil
	}
	if _, err := netip.ParseAddr(word); err == nil || strings.Contains(word, "/") || word == "port" {
		return 0, fmt.Errorf("want from or to before %q", word)
	}
	return 0, fmt.Errorf("unknown protocol or condition %q: want in, out, from, to, type, a protocol's number or one of %s",
		word, strings.Join(slices.Sorted(maps.Keys(protocols)), ", "))
}

func hasPorts(protocol uint8) bool {
	return protocol == tcp || protocol == udp || protocol == protocols["sctp"]
}

// parseEnd reads [ADDRESS or PREFIX] [port N or N-M] and returns the words
// after it.
func parseEnd(words []string) (e end, rest []string, err error) {
	if len(words) > 0 && startsAddress(words[0]) {
		if e.prefix, err = parsePrefix(words[0]); err != nil {
			return e, nil, err
		}
		words = words[1:]
	}
	if len(words) > 0 && words[0] == "port" {
		if len(words) == 1 {
			return e, nil, errors.New("want a number after port")
		}
		if e.first, e.last, err = parsePorts(words[1]); err != nil {
			return e, nil, err
		}
		words = words[2:]
	}
	if e == (end{}) {
		return e, nil, errors.New("want an address, a prefix or a port")
	}
	return e, words, nil
}

// startsAddress reports whether the word after from or to is meant for an
// address, rather than a condition's first word.
func startsAddress(word string) bool {
	switch word {
	case "port", "from", "to", "in", "out", "type":
		return false
	}
	return protocols[word] == 0
}

// parsePrefix reads an address, which stands for a prefix of it alone, or a
// prefix.
func parsePrefix(word string) (netip.Prefix, error) {
	address, length, isPrefix := strings.Cut(word, "/")
	a, err := netip.ParseAddr(address)
	switch {
	case err != nil:
		return netip.Prefix{}, fmt.Errorf("want an address such as 192.0.2.1 or 2001:db8::1, or a prefix such as 192.0.2.0/24, not %q", word)
	case a.Zone() != "":
		return netip.Prefix{}, fmt.Errorf("%q names an interface: write it after in or out", word)
	case a.Is4In6():
		return netip.Prefix{}, fmt.Errorf("%q is an IPv4 address in IPv6 form: write it as IPv4", word)
	case !isPrefix:
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	n, err := strconv.ParseUint(length, 10, 8)
	if err != nil || int(n) > a.BitLen() {
		return netip.Prefix{}, fmt.Errorf("want a length from 0 to %d after the /, not %q", a.BitLen(), length)
	}
	p := netip.PrefixFrom(a, int(n))
	if p != p.Masked() {
		return p, fmt.Errorf("%s has bits set after its prefix: write %v", word, p.Masked())
	}
	return p, nil
}

func parsePorts(word string) (first, last uint16, err error) {
	low, high, found := strings.Cut(word, "-")
	if !found {
		high = low
	}
	a, errA := strconv.ParseUint(low, 10, 16)
	b, errB := strconv.ParseUint(high, 10, 16)
	if cmp.Or(errA, errB) != nil || a == 0 || a > b {
		return 0, 0, fmt.Errorf("want a port from 1 to 65535, or two as in 8000-8080, not %q", word)
	}
	return uint16(a), uint16(b), nil
}
