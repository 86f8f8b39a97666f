package main

import (
	"net/netip"
	"testing"

	"github.com/ipqueue/ipqueue/queue"
)

// syn returns a packet for a connection to the address and port 80.
func syn(destination string) []byte {
	addr := netip.MustParseAddr(destination)
	b := []byte{0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 127, 0, 0, 1}
	if addr.Is6() {
		b = append([]byte{0x60, 0, 0, 0, 0, 20, 6, 64}, make([]byte, 16)...)
	}
	b = append(b, addr.AsSlice()...)
	return append(b, 0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0)
}

func TestPolicy(t *testing.T) {
	here := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	for _, test := range []struct {
		name    string
		to      []netip.Prefix
		ports   []uint16
		payload []byte
		mark    uint32 // of the packet
		want    string
	}{
		{"all", nil, nil, syn("198.51.100.1"), 0, "proxy"},
		{"inside, IPv4", here, nil, syn("192.0.2.7"), 0, "proxy"},
		{"inside, IPv6", here, nil, syn("2001:db8::7"), 0, "proxy"},
		{"outside, IPv4", here, nil, syn("198.51.100.1"), 0, "direct"},
		{"outside, IPv6", here, nil, syn("2001:db9::7"), 0, "direct"},
		{"port", nil, []uint16{443, 80}, syn("192.0.2.7"), 0, "proxy"},
		{"other port", nil, []uint16{443}, syn("192.0.2.7"), 0, "direct"},
		{"inside, other port", here, []uint16{443}, syn("192.0.2.7"), 0, "direct"},
		{"outside, port", here, []uint16{80}, syn("198.51.100.1"), 0, "direct"},
		{"decided before", nil, nil, syn("192.0.2.7"), 9, "marked"},
		{"mark of another program", nil, nil, syn("192.0.2.7"), 0xca6c, "proxy"},
		{"no IP", nil, nil, []byte{1, 2, 3}, 0, "direct"},
		{"nothing", nil, nil, nil, 0, "direct"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := policy{to: test.to, ports: test.ports, proxy: 1, direct: 2}
			v := c.judge(queue.Packet{Payload: test.payload, Mark: test.mark})
			if got := c.name(v); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
			repeated := v.Action == queue.Repeat && v.Mark != 0 && v.MarkMask == 3
			accepted := v.Action == queue.Accept && v.Mark == 0
			if decided := test.want == "marked"; !decided && !repeated || decided && !accepted {
				t.Errorf("verdict %v, want Repeat with a mark, or Accept if there was one", v)
			}
		})
	}
}

func TestPolicyText(t *testing.T) {
	c := policy{proxy: 1, direct: 2}
	if got, want := c.String(), "connections get mark 0x1, all others 0x2"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	c.to, c.ports = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, []uint16{80, 443}
	if got, want := c.String(), "connections to [192.0.2.0/24] at ports [80 443] get mark 0x1, all others 0x2"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
