package queue_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/ipqueue/ipqueue/queue"
)

// Headers to build packets of.
var (
	udp4     = []byte{0x45, 0, 0, 28 + 2, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2}
	icmp4    = []byte{0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2}
	later4   = []byte{0x45, 0, 0, 30, 0, 0, 0, 1, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2}
	ah4      = []byte{0x45, 0, 0, 20 + 24 + 10, 0, 0, 0, 0, 64, 51, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2}
	options4 = []byte{0x46, 0, 0, 34, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 1, 1, 1, 0}
	udp      = []byte{0x12, 0x34, 0, 53, 0, 10, 0, 0, 'h', 'i'}
)

// header6 is an IPv6 header in front of parts, the first of which is of the
// protocol.
func header6(protocol byte, parts ...[]byte) []byte {
	var rest []byte
	for _, part := range parts {
		rest = append(rest, part...)
	}
	b := make([]byte, 40, 40+len(rest))
	b[0], b[5], b[6], b[7] = 0x60, byte(len(rest)), protocol, 64
	b[8], b[9], b[23] = 0x20, 0x01, 1
	b[24], b[25], b[39] = 0x20, 0x01, 2
	return append(b, rest...)
}

func join(parts ...[]byte) (b []byte) {
	for _, part := range parts {
		b = append(b, part...)
	}
	return b
}

func TestFlow(t *testing.T) {
	const (
		four = "UDP 192.0.2.1:4660 > 192.0.2.2:53"
		six  = "UDP [2001::1]:4660 > [2001::2]:53"
	)
	hopByHop := []byte{17, 0, 5, 2, 0, 0, 1, 0}
	routing := []byte{60, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	destination := []byte{17, 0, 1, 4, 0, 0, 0, 0}
	ah := []byte{17, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	first, later := []byte{17, 0, 0, 1, 0, 0, 0, 9}, []byte{17, 0, 0, 9, 0, 0, 0, 9}
	tests := []struct {
		name    string
		packet  []byte
		want    string
		segment string
	}{
		{"UDP", join(udp4, udp), four, string(udp)},
		{"link padding", join(udp4, udp, []byte("padding")), four, string(udp)},
		{"options", join(options4, udp), four, string(udp)},
		{"later fragment", join(later4, udp), "UDP 192.0.2.1 > 192.0.2.2", ""},
		{"ICMP", join(icmp4, []byte{8, 0, 0, 0, 0, 0, 0, 0}), "ICMP 192.0.2.1 > 192.0.2.2", "\x08\x00\x00\x00\x00\x00\x00\x00"},
		{"cut ports", join(udp4, udp[:3]), "UDP 192.0.2.1 > 192.0.2.2", string(udp[:3])},
		{"cut after the header", udp4, "UDP 192.0.2.1 > 192.0.2.2", ""},
		{"cut in the options", options4[:22], "UDP 192.0.2.1 > 192.0.2.2", ""},
		{"cut in the header", udp4[:19], "no IP", ""},
		{"empty", nil, "no IP", ""},
		{"header shorter than any", append([]byte{0x44}, udp4[1:]...), "no IP", ""},
		{"version 5", append([]byte{0x55}, udp4[1:]...), "no IP", ""},
		{"IPv6", header6(17, udp), six, string(udp)},
		{"IPv6 padding", join(header6(17, udp), []byte("padding")), six, string(udp)},
		{"IPv6 cut", header6(17, udp)[:39], "no IP", ""},
		{"hop-by-hop", header6(0, hopByHop, udp), six, string(udp)},
		{"routing, destination", header6(43, routing, destination, udp), six, string(udp)},
		{"authentication", header6(51, ah, udp), six, string(udp)},
		{"IPv4 authentication", join(ah4, ah, udp), four, string(udp)},
		{"IPv4 authentication cut", join(ah4, ah[:7]), "protocol 51 192.0.2.1 > 192.0.2.2", ""},
		{"malformed option", header6(60, []byte{17, 0, 1, 9, 0, 0, 0, 0}, udp), six, string(udp)},
		{"first fragment", header6(44, first, udp), six, string(udp)},
		{"later IPv6 fragment", header6(44, later, udp), "UDP 2001::1 > 2001::2", ""},
		{"extension cut", header6(0, hopByHop[:7]), "protocol 0 2001::1 > 2001::2", ""},
		{"extension header cut in the middle", header6(43, routing)[:44], "protocol 43 2001::1 > 2001::2", ""},
		{"extension header cut behind its length", header6(43, routing)[:48], "protocol 60 2001::1 > 2001::2", ""},
		{"extension longer than all", header6(0, []byte{17, 9, 0, 0, 0, 0, 0, 0}), "UDP 2001::1 > 2001::2", ""},
		{"ESP", header6(50, udp), "ESP 2001::1 > 2001::2", string(udp)},
	}
	for _, test := range tests {
		p := queue.Packet{Payload: test.packet}
		if got := p.Flow().String(); got != test.want {
			t.Errorf("%s: Flow = %s, want %s", test.name, got, test.want)
		}
		if _, got := p.Transport(); string(got) != test.segment {
			t.Errorf("%s: Transport = %q, want %q", test.name, got, test.segment)
		}
	}
}

// TestFlowOfBridge checks that a bridged frame is IP if its EtherType is.
func TestFlowOfBridge(t *testing.T) {
	for etherType, want := range map[uint16]bool{0x0800: true, 0x86dd: false, 0x0806: false} {
		p := queue.Packet{Payload: join(udp4, udp), Family: queue.Bridge, HWProtocol: etherType}
		if got := p.Flow().Source.IsValid(); got != want {
			t.Errorf("%#04x: is IP: %t, want %t", etherType, got, want)
		}
	}
}

// A length of 0 means as long as the packet, whether the packet is longer than
// the field allows or not, and a jumbo payload option is followed.
func TestLengthZero(t *testing.T) {
	const data = 131000
	segment := join(udp, make([]byte, data))
	hopByHop := []byte{17, 0, 0xc2, 4, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(hopByHop[4:], uint32(len(hopByHop)+len(segment)))
	tests := []struct {
		name    string
		packet  []byte
		version int
	}{
		{"IPv4", join(udp4, segment), 4},
		{"IPv4 options", join(options4, segment), 4},
		{"IPv6", header6(17, segment), 6},
		{"jumbo payload option", header6(0, hopByHop, segment), 6},
		{"destination options", header6(60, []byte{17, 0, 1, 4, 0, 0, 0, 0}, segment), 6},
		{"short IPv4", join(udp4, udp), 4},
		{"short IPv6", header6(17, udp), 6},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			whole := len(test.packet)
			if test.version == 4 {
				clear(test.packet[2:4])
			} else {
				clear(test.packet[4:6])
			}
			for _, n := range []int{whole, min(whole, 100)} {
				p := queue.Packet{Payload: test.packet[:n], Length: uint32(whole)}
				if f := p.Flow(); f.Source.Port() != 0x1234 || f.Destination.Port() != 53 {
					t.Errorf("%d bytes: Flow = %v", n, f)
				}
				_, got := p.Transport()
				if header := whole - len(got) - (whole - n); len(got) == 0 || !bytes.Equal(got, test.packet[header:n]) || got[1] != 0x34 {
					t.Errorf("%d bytes: Transport has %d bytes", n, len(got))
				}
				if test.version == 4 {
					if h, err := p.IPv4(); err != nil || h.TotalLen != whole {
						t.Errorf("%d bytes: IPv4 = %v, %v", n, h, err)
					}
				} else if h, err := p.IPv6(); err != nil || h.PayloadLen != whole-40 {
					t.Errorf("%d bytes: IPv6 = %v, %v", n, h, err)
				}
			}
		})
	}
}

func TestFlowReverse(t *testing.T) {
	f := queue.Flow{
		Protocol:    6,
		Source:      netip.MustParseAddrPort("192.0.2.1:1"),
		Destination: netip.MustParseAddrPort("192.0.2.2:2"),
	}
	if got, want := f.Reverse().String(), "TCP 192.0.2.2:2 > 192.0.2.1:1"; got != want {
		t.Errorf("Reverse = %s, want %s", got, want)
	}
	if f.Reverse().Reverse() != f {
		t.Error("the reverse of the reverse is another flow")
	}
}

func TestFlowAllocatesNothing(t *testing.T) {
	for _, b := range [][]byte{join(udp4, udp), header6(17, udp)} {
		p := queue.Packet{Payload: b}
		known := map[queue.Flow]bool{p.Flow(): true}
		if n := testing.AllocsPerRun(100, func() {
			if !known[p.Flow()] {
				t.Error("two flows of one packet differ")
			}
		}); n != 0 {
			t.Errorf("%v allocations, want 0", n)
		}
	}
}

func FuzzFlow(f *testing.F) {
	f.Add(join(udp4, udp))
	f.Add(header6(0, []byte{17, 0, 5, 2, 0, 0, 1, 0}, udp))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := queue.Packet{Payload: b}
		flow := p.Flow()
		protocol, segment := p.Transport()
		if flow.Protocol != protocol {
			t.Errorf("protocol %d in Flow, %d in Transport", flow.Protocol, protocol)
		}
		if len(segment) > len(b) {
			t.Errorf("a segment of %d bytes in a packet of %d", len(segment), len(b))
		}
		if flow.Source.IsValid() != flow.Destination.IsValid() {
			t.Errorf("half a flow: %v", flow)
		}
		if flow.Source.Port() != 0 && len(segment) < 4 {
			t.Errorf("a port from a segment of %d bytes", len(segment))
		}
	})
}

func BenchmarkFlow(b *testing.B) {
	for name, packet := range map[string][]byte{"IPv4": join(udp4, udp), "IPv6": header6(17, udp)} {
		b.Run(name, func(b *testing.B) {
			p := queue.Packet{Payload: packet}
			b.ReportAllocs()
			for b.Loop() {
				_ = p.Flow()
			}
		})
	}
}
