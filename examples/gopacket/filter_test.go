package main

import (
	"bytes"
	"net"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

var (
	ip4 = &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP,
		SrcIP: net.IPv4(192, 0, 2, 1), DstIP: net.IPv4(192, 0, 2, 2)}
	ip6 = &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolUDP,
		SrcIP: net.ParseIP("2001:db8::1"), DstIP: net.ParseIP("2001:db8::2")}
	udp   = &layers.UDP{SrcPort: 50000, DstPort: 4789}
	frame = gopacket.Payload("an Ethernet frame")
)

func vxlan(vni uint32) *layers.VXLAN { return &layers.VXLAN{ValidIDFlag: true, VNI: vni} }

// build returns the bytes of a packet.
func build(t testing.TB, l ...gopacket.SerializableLayer) []byte {
	t.Helper()
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true}, l...); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func fragment(t testing.TB) []byte {
	first := *ip4
	first.Flags = layers.IPv4MoreFragments
	return build(t, &first, udp, vxlan(5), frame)
}

func TestPasses(t *testing.T) {
	whole := build(t, ip4, udp, vxlan(5), frame)
	for _, test := range []struct {
		name   string
		packet []byte
		want   bool
	}{
		{"IPv4", whole, true},
		{"IPv6", build(t, ip6, udp, vxlan(6), frame), true},
		{"copy of the headers", whole[:20+8+8], true},
		{"another network", build(t, ip4, udp, vxlan(7), frame), false},
		{"network above the low byte", build(t, ip4, udp, vxlan(5<<8), frame), false},
		{"no network", build(t, ip4, udp, &layers.VXLAN{VNI: 5}, frame), false},
		{"first fragment", fragment(t), false},
		{"cut VXLAN header", whole[:20+8+7], false},
		{"cut UDP header", whole[:20+7], false},
		{"cut IP header", whole[:19], false},
		{"another port", build(t, ip4, &layers.UDP{SrcPort: 50000, DstPort: 50000}, vxlan(5), frame), false},
		{"ICMP", build(t, &layers.IPv4{Version: 4, Protocol: layers.IPProtocolICMPv4, SrcIP: ip4.SrcIP, DstIP: ip4.DstIP},
			&layers.ICMPv4{}, frame), false},
		{"no IP", []byte{0xff, 1, 2, 3}, false},
		{"nothing", nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := (filter{5: true, 6: true}).passes(test.packet); got != test.want {
				t.Errorf("passes: %t, want %t", got, test.want)
			}
		})
	}
}

// FuzzPasses checks that decoding only the necessary layers without a copy
// gives the same result as decoding a copy completely, and does not change the
// packet.
func FuzzPasses(f *testing.F) {
	f.Add(build(f, ip4, udp, vxlan(5), frame))
	f.Add(build(f, ip6, udp, vxlan(6), frame))
	f.Add(fragment(f))
	f.Fuzz(func(t *testing.T, payload []byte) {
		networks, before := filter{5: true, 6: true}, bytes.Clone(payload)
		got, want := networks.passes(payload), networks.passesAs(payload, gopacket.Default)
		if got != want {
			t.Errorf("passes: %t, want %t", got, want)
		}
		if !bytes.Equal(payload, before) {
			t.Errorf("payload became %x, want %x", payload, before)
		}
	})
}
