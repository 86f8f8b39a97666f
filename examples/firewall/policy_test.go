package main

import (
	"strings"
	"testing"
)

func parsePolicy(t *testing.T, text string) *policy {
	t.Helper()
	p, err := readPolicy(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDecide(t *testing.T) {
	p := parsePolicy(t, "\ufeff"+`
# comment
accept tcp to port 443     # comment
drop udp from 10.0.0.0/8
accept udp to 192.0.2.1 port 53
accept udp from port 5000-5002 to 2001:db8::/32
accept icmp
reject from 192.0.2.9 to 192.0.2.0/24
accept to 192.0.2.0/24 from 192.0.2.0/24
accept 47
default drop`+"\r\n")
	for _, test := range []struct {
		protocol uint8
		from, to string
		want     action
		line     int
	}{
		{tcp, "192.0.2.7:1000", "198.51.100.1:443", accept, 3},
		{tcp, "[2001:db8::1]:1000", "[2001:db9::1]:443", accept, 3},
		{tcp, "192.0.2.7:443", "198.51.100.1:1000", drop, 0},
		{udp, "192.0.2.7:1000", "198.51.100.1:443", drop, 0},
		{udp, "10.1.2.3:1000", "192.0.2.1:53", drop, 4},
		{udp, "11.1.2.3:1000", "192.0.2.1:53", accept, 5},
		{udp, "[2001:db8::1]:4999", "[2001:db8::2]:1", drop, 0},
		{udp, "[2001:db8::1]:5000", "[2001:db8::2]:1", accept, 6},
		{udp, "[2001:db8::1]:5002", "[2001:db8::2]:1", accept, 6},
		{udp, "[2001:db8::1]:5003", "[2001:db8::2]:1", drop, 0},
		{icmp4, "198.51.100.1:0", "198.51.100.2:0", accept, 7},
		{tcp, "192.0.2.9:1", "192.0.2.2:1", reject, 8},
		{tcp, "192.0.2.8:1", "192.0.2.2:1", accept, 9},
		{47, "198.51.100.1:0", "198.51.100.2:0", accept, 10},
	} {
		flow := sample(test.protocol, test.from, test.to)
		if got, line := p.decide(traveller{flow: flow}); got != test.want || line != test.line {
			t.Errorf("%v: %v by line %d, want %v by line %d", flow, got, line, test.want, test.line)
		}
	}
	if got, _ := p.decide(traveller{}); got != drop {
		t.Errorf("no IP: %v, want drop", got)
	}
}

func TestDefault(t *testing.T) {
	for _, want := range []action{accept, drop, reject} {
		p := parsePolicy(t, "default "+want.String())
		if got, line := p.decide(traveller{}); got != want || line != 0 {
			t.Errorf("default %v: %v by line %d", want, got, line)
		}
		if got := p.rejects(); got != (want == reject) {
			t.Errorf("default %v: rejects = %t", want, got)
		}
	}
}

func TestInterfaces(t *testing.T) {
	p := parsePolicy(t, "accept in lo\naccept out lo\nreject in eth0 out eth1\naccept in eth*\naccept out tun0 tcp\ndefault drop")
	for _, test := range []struct {
		in, out string
		line    int // 0 means the default
	}{
		{"lo", "", 1}, {"", "lo", 2}, {"eth0", "eth1", 3}, {"eth0", "eth2", 4}, {"eth", "", 4}, {"et", "", 0},
		{"", "eth0", 0}, {"", "tun0", 5}, {"", "tun01", 0}, {"lo0", "", 0}, {"", "", 0},
	} {
		_, line := p.decide(traveller{in: test.in, out: test.out, flow: sample(tcp, "192.0.2.1:1", "192.0.2.2:1")})
		if line != test.line {
			t.Errorf("in %q out %q: line %d, want %d", test.in, test.out, line, test.line)
		}
	}
}

func TestICMPTypes(t *testing.T) {
	p := parsePolicy(t, `accept icmp type echo-request
accept icmp type 3/4
accept icmpv6 type echo-request
accept icmpv6 type 2
default drop`)
	for _, test := range []struct {
		protocol uint8
		message  []byte
		line     int
	}{
		{icmp4, []byte{8, 0}, 1}, {icmp4, []byte{0, 0}, 0}, {icmp4, []byte{3, 4}, 2}, {icmp4, []byte{3, 1}, 0},
		{icmp4, []byte{128, 0}, 0}, {icmp6, []byte{128, 0}, 3}, {icmp6, []byte{8, 0}, 0}, {icmp6, []byte{2, 9}, 4},
		{icmp4, nil, 0}, {icmp4, []byte{8}, 0}, {tcp, nil, 0},
	} {
		if _, line := p.decide(traveller{flow: sample(test.protocol, "192.0.2.1:0", "192.0.2.2:0"), icmp: test.message}); line != test.line {
			t.Errorf("protocol %d, message %v: line %d, want %d", test.protocol, test.message, line, test.line)
		}
	}
}

// TestNeighbourDiscovery checks that the default does not apply to neighbour
// discovery, without which IPv6 does not work; a line of the policy does.
func TestNeighbourDiscovery(t *testing.T) {
	for _, test := range []struct {
		text string
		want action
	}{
		{"default drop", accept},
		{"accept tcp\ndefault reject", accept},
		{"drop icmpv6\ndefault accept", drop},
		{"drop icmpv6 type nd-neighbor-solicit\ndefault accept", drop},
		{"accept icmpv6 type 135\ndrop icmpv6\ndefault accept", accept},
	} {
		if got, _ := parsePolicy(t, test.text).decide(neighbour); got != test.want {
			t.Errorf("%q: %v, want %v", test.text, got, test.want)
		}
	}
	p := parsePolicy(t, "default drop")
	for typ := range 256 {
		got, _ := p.decide(traveller{flow: neighbour.flow, icmp: []byte{byte(typ), 0}})
		if want := typ >= 130 && typ <= 137 || typ == 143; (got == accept) != want {
			t.Errorf("type %d: %v, accepted: want %t", typ, got, want)
		}
	}
}
