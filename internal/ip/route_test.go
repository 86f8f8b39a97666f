package ip

import (
	"net/netip"
	"testing"
)

// TestFollowRoute parses routing headers, given from their type on, in a packet
// to 2001:db8:1:2:3:4:5:6.
func TestFollowRoute(t *testing.T) {
	a := []byte{0x20, 0x01, 15: 0xaa}
	b := []byte{0x20, 0x01, 15: 0xbb}
	tests := []struct {
		name string
		rest []any // bytes and slices of them
		want string
		bad  bool
	}{
		{"used up", []any{0, 0, 0, 0, 0, 0, a, b}, "2001:db8:1:2:3:4:5:6", false},
		{"type 0", []any{0, 1, 0, 0, 0, 0, a, b}, "2001::bb", false},
		{"type 0, all left", []any{0, 2, 0, 0, 0, 0, a, b}, "2001::bb", false},
		{"type 0, too many left", []any{0, 3, 0, 0, 0, 0, a, b}, "", true},
		{"type 0, no addresses", []any{0, 1, 0, 0, 0, 0}, "", true},
		{"type 0, half an address", []any{0, 1, 0, 0, 0, 0, a[:8]}, "", true},
		{"type 2", []any{2, 1, 0, 0, 0, 0, a}, "2001::aa", false},
		{"type 4", []any{4, 1, 1, 0, 0, 0, b, a}, "2001::bb", false},
		{"type 4, reduced", []any{4, 1, 0, 0, 0, 0, b}, "2001::bb", false},
		{"type 4, first stop left out", []any{4, 2, 1, 0, 0, 0, b, a}, "2001::bb", false},
		{"type 4, too many left", []any{4, 3, 1, 0, 0, 0, b, a}, "", true},
		{"type 4, last entry past the end", []any{4, 1, 2, 0, 0, 0, b, a}, "", true},
		{"type 4, with options", []any{4, 1, 0, 0, 0, 0, b, 4, 6, 0, 0, 0, 0, 0, 0}, "2001::bb", false},
		{"type 3, whole addresses", []any{3, 2, 0, 0, 0, 0, a, b}, "2001::bb", false},
		{"type 3, last bytes", []any{3, 4, 0xff, 0x40, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0}, "2001:db8:1:2:3:4:5:4", false},
		{"type 3, odd prefix", []any{3, 1, 0x0d, 0x50, 0, 0, 1, 2, 3, 0, 0, 0, 0, 0}, "2001:db8:1:2:3:4:1:203", false},
		{"type 3, too many left", []any{3, 5, 0xff, 0x40, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0}, "", true},
		{"type 3, padding only", []any{3, 1, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, "", true},
		{"type 1", []any{1, 1, 0, 0, 0, 0}, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			packet := routed(routingHeader(tt.rest))
			var h Headers
			h.Parse(packet)
			if got := h.Fault == BadRoute; got != tt.bad {
				t.Errorf("bad: %v, want %v", got, tt.bad)
			}
			if want := tt.want == "" && !tt.bad; h.UnknownRoute != want {
				t.Errorf("UnknownRoute = %v, want %v", h.UnknownRoute, want)
			}
			if got := netip.AddrFrom16(h.Destination6(packet)); tt.want != "" && got != netip.MustParseAddr(tt.want) {
				t.Errorf("destination %v, want %v", got, tt.want)
			}
			if want := len(packet) - 8; h.Transport != want || h.Protocol != udp {
				t.Errorf("protocol %d at %d, want %d at %d", h.Protocol, h.Transport, udp, want)
			}
		})
	}
}

// udp is the protocol number of UDP.
const udp = 17

// routed returns a packet to 2001:db8:1:2:3:4:5:6 of UDP behind routing headers.
func routed(headers ...[]byte) []byte {
	to := netip.MustParseAddr("2001:db8:1:2:3:4:5:6").As16()
	packet := append([]byte{0: 0x60, 6: routing, 23: 0}, to[:]...)
	for i, header := range headers {
		header[0] = udp
		if i < len(headers)-1 {
			header[0] = routing
		}
		packet = append(packet, header...)
	}
	packet = append(packet, make([]byte, 8)...)
	packet[5] = byte(len(packet) - 40)
	return packet
}

// routingHeader returns a header with rest after its first two bytes.
func routingHeader(rest []any) []byte {
	header := []byte{udp, 0}
	for _, r := range rest {
		switch r := r.(type) {
		case int:
			header = append(header, byte(r))
		case []byte:
			header = append(header, r...)
		}
	}
	header[1] = byte(len(header)/8 - 1)
	return header
}

// TestFollowRoutes parses two routing headers, which a mobile node can receive.
// The second one ends the route (RFC 6275, section 6.4).
func TestFollowRoutes(t *testing.T) {
	first := routingHeader([]any{0, 1, 0, 0, 0, 0, []byte{0x20, 0x01, 15: 0xaa}})
	second := routingHeader([]any{2, 1, 0, 0, 0, 0, []byte{0x20, 0x01, 15: 0xbb}})
	packet := routed(first, second)
	var h Headers
	h.Parse(packet)
	if h.Fault != NoFault {
		t.Fatalf("fault %d", h.Fault)
	}
	if got, want := netip.AddrFrom16(h.Destination6(packet)), netip.MustParseAddr("2001::bb"); got != want {
		t.Errorf("destination %v, want %v", got, want)
	}
}
