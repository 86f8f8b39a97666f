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
		{"no IP", nil, nil, []byte{1, 2, 3}, 0, "direct"},
		{"nothing", nil, nil, nil, 0, "direct"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := policy{to: test.to, ports: test.ports, proxy: 1, direct: 2}
			v := c.judge(queue.Packet{Payload: test.payload, Mark: test.mark})
			if got := c.name(v); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
			repeated := v.Action == queue.Repeat && v.Mark != 0
			accepted := v.Action == queue.Accept && v.Mark == 0
			if test.mark == 0 && !repeated || test.mark != 0 && !accepted {
				t.Errorf("verdict %v, want Repeat with a mark, or Accept if there was one", v)
			}
		})
	}
}
