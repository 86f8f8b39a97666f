package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/ipqueue/ipqueue/queue"
)

// A policy is a list of rules, of which the first that matches decides.
type policy struct {
	rules    []rule
	standard bool // accept what no rule matches
}

// A rule accepts or drops the flows that it matches.
type rule struct {
	accept   bool
	protocol uint8 // 0 for any
	from, to end
}

// An end is a condition on one end of a flow.
type end struct {
	prefix      netip.Prefix // the zero Prefix for any address
	first, last uint16       // ports; both 0 for any
}

// accepts decides a flow.
func (p *policy) accepts(f queue.Flow) bool {
	for _, r := range p.rules {
		if r.matches(f) {
			return r.accept
		}
	}
	return p.standard
}

func (r rule) matches(f queue.Flow) bool {
	return (r.protocol == 0 || r.protocol == f.Protocol) && r.from.matches(f.Source) && r.to.matches(f.Destination)
}

func (e end) matches(a netip.AddrPort) bool {
	return (!e.prefix.IsValid() || e.prefix.Contains(a.Addr())) &&
		(e.last == 0 || e.first <= a.Port() && a.Port() <= e.last)
}

func loadPolicy(name string) (*policy, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p, err := readPolicy(f)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", name, err)
	}
	return p, nil
}

// readPolicy reads a rule from each line that is not empty. What follows a # is
// a comment. Its errors begin with the line's number.
func readPolicy(r io.Reader) (*policy, error) {
	p, standards, number := new(policy), 0, 0
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		number++
		line, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if words[0] == "default" {
			standards++
		}
		if err := p.add(words); err != nil {
			return nil, fmt.Errorf("%d: %w", number, err)
		}
		if standards > 1 {
			return nil, fmt.Errorf("%d: a second default", number)
		}
	}
	err := lines.Err()
	if err == nil && standards == 0 {
		err = errors.New("no default: end with \"default drop\" or \"default accept\"")
	}
	if err != nil {
		return nil, fmt.Errorf("%d: %w", number+1, err)
	}
	return p, nil
}

func (p *policy) add(words []string) (err error) {
	if words[0] == "default" {
		if len(words) != 2 {
			return errors.New("want default accept or default drop")
		}
		p.standard, err = parseAction(words[1])
		return err
	}
	r, err := parseRule(words)
	p.rules = append(p.rules, r)
	return err
}

func parseAction(word string) (accept bool, err error) {
	switch word {
	case "accept":
		return true, nil
	case "drop":
		return false, nil
	}
	return false, fmt.Errorf("want accept or drop, not %q", word)
}

// protocols are the numbers that IANA gave them.
var protocols = map[string]uint8{"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58, "sctp": 132}

// parseRule reads ACTION [PROTOCOL] [from END] [to END].
func parseRule(words []string) (r rule, err error) {
	if r.accept, err = parseAction(words[0]); err != nil {
		return r, err
	}
	words = words[1:]
	if len(words) > 0 && words[0] != "from" && words[0] != "to" {
		if r.protocol = protocols[words[0]]; r.protocol == 0 {
			return r, fmt.Errorf("unknown protocol %q", words[0])
		}
		words = words[1:]
	}
	for _, side := range []struct {
		word string
		end  *end
	}{{"from", &r.from}, {"to", &r.to}} {
		if len(words) > 0 && words[0] == side.word {
			if *side.end, words, err = parseEnd(words[1:]); err != nil {
				return r, fmt.Errorf("%s: %w", side.word, err)
			}
		}
	}
	if len(words) > 0 {
		return r, fmt.Errorf("unexpected %q", words[0])
	}
	if r.from.last+r.to.last > 0 && !hasPorts(r.protocol) {
		return r, errors.New("a port needs a protocol that has ports: tcp, udp or sctp")
	}
	return r, nil
}

func hasPorts(protocol uint8) bool {
	return protocol == protocols["tcp"] || protocol == protocols["udp"] || protocol == protocols["sctp"]
}

// parseEnd reads [ADDRESS or PREFIX] [port N or N-M] and returns the words
// after it.
func parseEnd(words []string) (e end, rest []string, err error) {
	if len(words) > 0 && words[0] != "port" {
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

// parsePrefix takes an address for the prefix of it alone.
func parsePrefix(word string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(word); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(word)
	if err == nil && p != p.Masked() {
		err = fmt.Errorf("%s has bits behind its length: write %v", word, p.Masked())
	}
	return p, err
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
