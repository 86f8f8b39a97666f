package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// IANA protocol numbers.
const (
	icmp4 = 1
	tcp   = 6
	udp   = 17
	icmp6 = 58
)

func isICMP(protocol uint8) bool { return protocol == icmp4 || protocol == icmp6 }

// An icmpType is a condition on the type and code of an ICMP message. The zero
// value matches every message.
type icmpType struct {
	set, coded bool
	typ, code  uint8
}

func (c icmpType) matches(message []byte) bool {
	switch {
	case !c.set:
		return true
	case len(message) < 2:
		return false
	}
	return message[0] == c.typ && (!c.coded || message[1] == c.code)
}

// The types of ICMP (RFC 792) and ICMPv6 (RFC 4443, 4861, 2710, 3810) by their
// names in nft.
var icmpTypes = map[uint8]map[string]uint8{
	icmp4: {
		"echo-reply": 0, "destination-unreachable": 3, "redirect": 5, "echo-request": 8,
		"router-advertisement": 9, "router-solicitation": 10, "time-exceeded": 11, "parameter-problem": 12,
		"timestamp-request": 13, "timestamp-reply": 14,
	},
	icmp6: {
		"destination-unreachable": 1, "packet-too-big": 2, "time-exceeded": 3, "parameter-problem": 4,
		"echo-request": 128, "echo-reply": 129, "mld-listener-query": 130, "mld-listener-report": 131,
		"mld-listener-done": 132, "nd-router-solicit": 133, "nd-router-advert": 134,
		"nd-neighbor-solicit": 135, "nd-neighbor-advert": 136, "nd-redirect": 137, "mld2-listener-report": 143,
	},
}

// neighbours reports whether the packet belongs to IPv6 neighbour discovery or
// to the multicast that carries it: without these messages IPv6 does not work
// on an Ethernet link (RFC 4890, section 4.4.1).
func neighbours(t traveller) bool {
	if t.flow.Protocol != icmp6 || len(t.icmp) == 0 {
		return false
	}
	typ := t.icmp[0]
	return 130 <= typ && typ <= 137 || typ == 143
}

// parseICMP reads TYPE or TYPE/CODE, the type by its name or number.
func parseICMP(protocol uint8, word string) (icmpType, error) {
	known := icmpTypes[protocol]
	if known == nil {
		return icmpType{}, errors.New("a type needs the protocol icmp or icmpv6")
	}
	name, code, coded := strings.Cut(word, "/")
	c := icmpType{set: true, coded: coded}
	var err error
	if typ, found := known[name]; found {
		c.typ = typ
	} else if c.typ, err = parseByte(name); err != nil {
		names := slices.Sorted(maps.Keys(known))
		return c, fmt.Errorf("unknown type %q: want a number from 0 to 255 or one of %s", name, strings.Join(names, ", "))
	}
	if coded {
		if c.code, err = parseByte(code); err != nil {
			return c, fmt.Errorf("want a code from 0 to 255 after the /, not %q", code)
		}
	}
	return c, nil
}

func parseByte(word string) (uint8, error) {
	n, err := strconv.ParseUint(word, 10, 8)
	return uint8(n), err
}
