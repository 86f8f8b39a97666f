package main

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/queue"
)

func flow(protocol uint8, from, to string) queue.Flow {
	return queue.Flow{Protocol: protocol, Source: netip.MustParseAddrPort(from), Destination: netip.MustParseAddrPort(to)}
}

func TestAccepts(t *testing.T) {
	p, err := readPolicy(strings.NewReader(`
# comment
accept tcp to port 443     # comment
drop udp from 10.0.0.0/8
accept udp to 192.0.2.1 port 53
accept udp from port 5000-5002 to 2001:db8::/32
accept icmp
drop from 192.0.2.9 to 192.0.2.0/24
accept to 192.0.2.0/24
default drop
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		flow queue.Flow
		want bool
	}{
		{flow(6, "192.0.2.7:1000", "198.51.100.1:443"), true},
		{flow(6, "[2001:db8::1]:1000", "[2001:db9::1]:443"), true},
		{flow(6, "192.0.2.7:443", "198.51.100.1:1000"), false},
		{flow(17, "192.0.2.7:1000", "198.51.100.1:443"), false},
		{flow(17, "10.1.2.3:1000", "192.0.2.1:53"), false},
		{flow(17, "11.1.2.3:1000", "192.0.2.1:53"), true},
		{flow(17, "[2001:db8::1]:4999", "[2001:db8::2]:1"), false},
		{flow(17, "[2001:db8::1]:5000", "[2001:db8::2]:1"), true},
		{flow(17, "[2001:db8::1]:5002", "[2001:db8::2]:1"), true},
		{flow(17, "[2001:db8::1]:5003", "[2001:db8::2]:1"), false},
		{flow(1, "198.51.100.1:0", "198.51.100.2:0"), true},
		{flow(6, "192.0.2.9:1", "192.0.2.2:1"), false},
		{flow(6, "192.0.2.8:1", "192.0.2.2:1"), true},
		{queue.Flow{}, false},
	} {
		if got := p.accepts(test.flow); got != test.want {
			t.Errorf("accepts(%v) = %t, want %t", test.flow, got, test.want)
		}
	}
}

func TestDefault(t *testing.T) {
	for text, want := range map[string]bool{"default accept": true, "default drop": false} {
		p, err := readPolicy(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := p.accepts(queue.Flow{}); got != want {
			t.Errorf("%s: accepts = %t, want %t", text, got, want)
		}
	}
}

func TestReadPolicyNamesTheLine(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", `1: no default: end with "default drop" or "default accept"`},
		{"accept tcp\n", `2: no default: end with "default drop" or "default accept"`},
		{"default drop\n\ndefault drop", "3: a second default"},
		{"default", "1: want default accept or default drop"},
		{"default reject", `1: want accept or drop, not "reject"`},
		{"# first\nallow tcp", `2: want accept or drop, not "allow"`},
		{"accept ftp", `1: unknown protocol "ftp"`},
		{"accept tcp 192.0.2.1", `1: unexpected "192.0.2.1"`},
		{"accept tcp to", "1: to: want an address, a prefix or a port"},
		{"accept tcp to port", "1: to: want a number after port"},
		{"accept tcp to port 0", `1: to: want a port from 1 to 65535, or two as in 8000-8080, not "0"`},
		{"accept tcp to port 65536", `1: to: want a port from 1 to 65535, or two as in 8000-8080, not "65536"`},
		{"accept tcp to port 9-8", `1: to: want a port from 1 to 65535, or two as in 8000-8080, not "9-8"`},
		{"accept tcp to port http", `1: to: want a port from 1 to 65535, or two as in 8000-8080, not "http"`},
		{"accept to port 80", "1: a port needs a protocol that has ports: tcp, udp or sctp"},
		{"accept icmp from port 80", "1: a port needs a protocol that has ports: tcp, udp or sctp"},
		{"drop from 10.0.0.1/8", "1: from: 10.0.0.1/8 has bits behind its length: write 10.0.0.0/8"},
		{"drop from here", `1: from: netip.ParsePrefix("here"): no '/'`},
		{"drop to 192.0.2.1 from 192.0.2.2", `1: unexpected "from"`},
	} {
		if _, err := readPolicy(strings.NewReader(test.text)); err == nil || err.Error() != test.want {
			t.Errorf("readPolicy(%q) = %v, want %s", test.text, err, test.want)
		}
	}
}
