package ip

import (
	"encoding/binary"
	"math"
	"testing"
)

// join returns the parts one behind the other.
func join(parts ...[]byte) (b []byte) {
	for _, part := range parts {
		b = append(b, part...)
	}
	return b
}

func packet4(protocol byte, fragment uint16, rest ...[]byte) []byte {
	b := join(append([][]byte{{0x45, 9: protocol, 12: 192, 0, 2, 1, 192, 0, 2, 2}}, rest...)...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	binary.BigEndian.PutUint16(b[6:], fragment)
	return b
}

func packet6(protocol byte, rest ...[]byte) []byte {
	b := join(append([][]byte{{0: 0x60, 6: protocol, 8: 0xfd, 23: 1, 24: 0xfd, 39: 2}}, rest...)...)
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
	return b
}

var (
	hop     = []byte{destination, 0, 5, 2, 0, 0, 1, 0}
	dest    = []byte{udp, 0, 1, 4, 0, 0, 0, 0}
	auth    = []byte{udp, 4, 23: 0}
	first   = []byte{udp, 0, 0, 1, 0, 0, 0, 9}
	later   = []byte{udp, 0, 0, 8, 0, 0, 0, 9}
	atomic  = []byte{udp, 0, 0, 6, 0, 0, 0, 9}
	segment = []byte{0x12, 0x34, 0, 53, 0, 8, 0, 0}
)

func TestParseNoted(t *testing.T) {
	for option, want := range map[byte]bool{
		1: false, 7: true, 68: true, 130: false, 131: true, 134: true, 137: true, 148: false,
	} {
		b := packet4(udp, 0, []byte{1, option, 7, 8, 0, 0, 0, 0}, segment)
		b[0] = 0x47
		var h Headers
		h.Parse(b)
		if h.Noted != want {
			t.Errorf("option %d: Noted = %t, want %t", option, h.Noted, want)
		}
	}
}

func TestParse(t *testing.T) {
	tests := []struct {
		name      string
		packet    []byte
		protocol  uint8
		transport int
		fragment  bool
		fault     Fault
	}{
		{"IPv4", packet4(udp, 0, segment), udp, 20, false, NoFault},
		{"IPv4 without anything", packet4(udp, 0), udp, 20, false, NoFault},
		{"IPv4 authentication", packet4(authentication, 0, auth, segment), udp, 44, false, NoFault},
		{"IPv4 authentication twice", packet4(authentication, 0, append([]byte{authentication}, auth[1:]...), auth, segment), udp, 68, false, NoFault},
		{"IPv4 first fragment", packet4(udp, 0x2000, segment), udp, 20, true, NoFault},
		{"IPv4 first fragment, authentication past its end", packet4(authentication, 0x2000, auth[:16]), udp, 0, true, NoFault},
		{"IPv4 later fragment", packet4(authentication, 1, auth), authentication, 0, true, NoFault},
		{"IPv6", packet6(udp, segment), udp, 40, false, NoFault},
		{"IPv6 options", packet6(hopByHop, hop, dest, segment), udp, 56, false, NoFault},
		{"IPv6 extension cut", packet6(hopByHop, hop, dest[:7]), destination, 0, false, ExtensionCut},
		{"IPv6 extension too long", packet6(hopByHop, []byte{udp, 9, 7: 0}), udp, 0, false, ExtensionCut},
		{"IPv6 first fragment", packet6(fragment, first, segment), udp, 48, true, NoFault},
		{"IPv6 first fragment, header past its end", packet6(fragment, []byte{destination, 0, 0, 1, 7: 0}, dest[:4]), destination, 0, true, NoFault},
		{"IPv6 later fragment", packet6(fragment, later, segment), udp, 0, true, NoFault},
		{"IPv6 atomic fragment", packet6(fragment, atomic, segment), udp, 48, false, NoFault},
		{"bad option behind a good one", packet6(hopByHop, hop, []byte{udp, 0, 1, 0, 1, 3, 0, 0}, segment), udp, 56, false, BadOption},
		{"option without a length", packet6(hopByHop, []byte{udp, 0, 1, 3, 0, 0, 0, 1}, segment), udp, 48, false, BadOption},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var h Headers
			h.Parse(test.packet)
			if h.Protocol != test.protocol || h.Transport != test.transport || h.Fragment != test.fragment || h.Fault != test.fault {
				t.Errorf("protocol %d at %d, fragment %v, fault %d, want %d at %d, %v, %d",
					h.Protocol, h.Transport, h.Fragment, h.Fault, test.protocol, test.transport, test.fragment, test.fault)
			}
		})
	}
}

// TestParseCuts cuts packets at every position. The transport is found at its
// position or not at all, and only complete headers have no fault.
func TestParseCuts(t *testing.T) {
	for _, packet := range [][]byte{
		packet4(authentication, 0, auth, segment),
		packet6(hopByHop, hop, []byte{authentication, 1, 1, 12, 15: 0}, auth, segment),
		packet6(routing, []byte{udp, 2, 0, 1, 23: 0}, segment),
	} {
		var whole Headers
		whole.Parse(packet)
		for n := range packet {
			var h Headers
			h.Parse(packet[:n])
			if want := n >= whole.Transport; (h.Transport != 0) != want || (h.Fault == NoFault) != want {
				t.Errorf("%x cut to %d: transport at %d, fault %d", packet, n, h.Transport, h.Fault)
			}
			if h.Transport != 0 && h != whole {
				t.Errorf("%x cut to %d: %+v, want %+v", packet, n, h, whole)
			}
		}
	}
}

func TestLength(t *testing.T) {
	jumbo := func(n uint32) []byte {
		return binary.BigEndian.AppendUint32([]byte{udp, 0, optionJumbo, 4}, n)
	}
	zero := func(b []byte) []byte {
		if b[0] == 0x45 {
			clear(b[2:4])
		} else {
			clear(b[4:6])
		}
		return b
	}
	tests := []struct {
		name   string
		packet []byte
		want   int
		fault  Fault
	}{
		{"IPv4", packet4(udp, 0, segment), 28, NoFault},
		{"IPv4 padding", append(packet4(udp, 0, segment), 1, 2, 3), 28, NoFault},
		{"IPv4 cut", packet4(udp, 0, segment)[:22], 28, NoFault},
		{"IPv4 zero", zero(packet4(udp, 0, segment)), 28, NoFault},
		{"IPv4 header cut", packet4(udp, 0)[:19], 19, HeaderCut},
		{"IPv4 shorter than its header", []byte{0x46, 3: 23, 40: 0}, 24, TotalTooShort},
		{"IPv6", packet6(udp, segment), 48, NoFault},
		{"IPv6 padding", append(packet6(udp, segment), 1), 48, NoFault},
		{"IPv6 zero", zero(packet6(udp, segment)), 48, NoFault},
		{"IPv6 zero with options", zero(packet6(hopByHop, hop, dest, segment)), 64, NoFault},
		{"IPv6 jumbo", zero(packet6(hopByHop, jumbo(70000))), 70040, NoFault},
		{"IPv6 jumbo, longest", zero(packet6(hopByHop, jumbo(math.MaxUint32))), int(min(int64(40+math.MaxUint32), math.MaxInt)), NoFault},
		{"IPv6 jumbo, short", zero(packet6(hopByHop, jumbo(65535))), 48, BadJumbo},
		{"IPv6 jumbo beside a length", packet6(hopByHop, jumbo(70000)), 48, NoFault},
		{"IPv6 jumbo cut", zero(packet6(hopByHop, jumbo(70000)))[:46], 46, ExtensionCut},
		{"nothing", nil, 0, HeaderCut},
		{"no IP", make([]byte, 50), 50, NotIP},
	}
	for _, test := range tests {
		if got, fault := Length(test.packet); got != test.want || fault != test.fault {
			t.Errorf("%s: Length = %d, %d, want %d, %d", test.name, got, fault, test.want, test.fault)
		}
	}
}

// FuzzParse checks that all positions and addresses are inside the packet.
func FuzzParse(f *testing.F) {
	f.Add(packet4(authentication, 0, auth, segment))
	f.Add(packet6(hopByHop, hop, dest, segment))
	f.Add(routed([]byte{udp, 2, 0, 1, 23: 0}))
	f.Fuzz(func(t *testing.T, packet []byte) {
		var h Headers
		h.Parse(packet)
		if h.Transport > len(packet) || h.Transport != 0 && h.Transport < h.Length || h.Jumbo > len(packet)-4 && h.Jumbo != 0 {
			t.Errorf("transport at %d, jumbo option at %d of %d bytes", h.Transport, h.Jumbo, len(packet))
		}
		if h.Transport == 0 && h.Fault == NoFault && !h.Fragment {
			t.Errorf("no transport for no reason: %+v", h)
		}
		switch h.Version {
		case 4:
			h.Source(packet)
			h.Destination4(packet)
		case 6:
			h.Source(packet)
			h.Destination6(packet)
		}
		if n, fault := Length(packet); n < 0 || fault == NoFault && n == 0 {
			t.Errorf("length %d", n)
		}
	})
}

func TestParseAllocatesNothing(t *testing.T) {
	packet := packet6(hopByHop, hop, dest, segment)
	if n := testing.AllocsPerRun(100, func() {
		var h Headers
		h.Parse(packet)
		if h.Destination6(packet); h.Transport == 0 {
			t.Error("no transport")
		}
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
