package checksum

import (
	"net/netip"
	"testing"
)

// TestFollowRoute has routing headers from their type on, in front of a packet
// to 2001:db8:1:2:3:4:5:6.
func TestFollowRoute(t *testing.T) {
	a := []byte{0x20, 0x01, 15: 0xaa}
	b := []byte{0x20, 0x01, 15: 0xbb}
	tests := []struct {
		name string
		rest []any // bytes and slices of them
		want string
		err  error
	}{
		{"used up", []any{0, 0, 0, 0, 0, 0, a, b}, "2001:db8:1:2:3:4:5:6", nil},
		{"type 0", []any{0, 1, 0, 0, 0, 0, a, b}, "2001::bb", nil},
		{"type 0, all left", []any{0, 2, 0, 0, 0, 0, a, b}, "2001::bb", nil},
		{"type 0, too many left", []any{0, 3, 0, 0, 0, 0, a, b}, "", errRoute},
		{"type 0, no addresses", []any{0, 1, 0, 0, 0, 0}, "", errRoute},
		{"type 0, half an address", []any{0, 1, 0, 0, 0, 0, a[:8]}, "", errRoute},
		{"type 2", []any{2, 1, 0, 0, 0, 0, a}, "2001::aa", nil},
		{"type 4", []any{4, 1, 1, 0, 0, 0, b, a}, "2001::bb", nil},
		{"type 4, reduced", []any{4, 1, 0, 0, 0, 0, b}, "2001::bb", nil},
		{"type 4, first stop left out", []any{4, 2, 1, 0, 0, 0, b, a}, "2001::bb", nil},
		{"type 4, too many left", []any{4, 3, 1, 0, 0, 0, b, a}, "", errRoute},
		{"type 4, last entry past the end", []any{4, 1, 2, 0, 0, 0, b, a}, "", errRoute},
		{"type 4, with options", []any{4, 1, 0, 0, 0, 0, b, 4, 6, 0, 0, 0, 0, 0, 0}, "2001::bb", nil},
		{"type 3, whole addresses", []any{3, 2, 0, 0, 0, 0, a, b}, "2001::bb", nil},
		{"type 3, last bytes", []any{3, 4, 0xff, 0x40, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0}, "2001:db8:1:2:3:4:5:4", nil},
		{"type 3, odd prefix", []any{3, 1, 0x0d, 0x50, 0, 0, 1, 2, 3, 0, 0, 0, 0, 0}, "2001:db8:1:2:3:4:1:203", nil},
		{"type 3, too many left", []any{3, 5, 0xff, 0x40, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0}, "", errRoute},
		{"type 3, padding only", []any{3, 1, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, "", errRoute},
		{"type 1", []any{1, 1, 0, 0, 0, 0}, "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			header := routingHeader(tt.rest)
			destination := netip.MustParseAddr("2001:db8:1:2:3:4:5:6").As16()
			var d datagram
			if err := d.followRoute(header, &destination); err != tt.err {
				t.Errorf("followRoute: error %v, want %v", err, tt.err)
			}
			if d.unknownRoute != (tt.want == "" && tt.err == nil) {
				t.Errorf("unknownRoute = %v", d.unknownRoute)
			}
			if got := netip.AddrFrom16(destination); tt.want != "" && got != netip.MustParseAddr(tt.want) {
				t.Errorf("destination %v, want %v", got, tt.want)
			}
		})
	}
}

// routingHeader returns the header that has rest after its first two bytes.
func routingHeader(rest []any) []byte {
	header := []byte{protoUDP, 0}
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

// TestFollowRoutes has the two routing headers that a mobile node can meet: the
// one that ends the route is the second one (RFC 6275, section 6.4).
func TestFollowRoutes(t *testing.T) {
	first := routingHeader([]any{0, 1, 0, 0, 0, 0, []byte{0x20, 0x01, 15: 0xaa}})
	second := routingHeader([]any{2, 1, 0, 0, 0, 0, []byte{0x20, 0x01, 15: 0xbb}})
	var d datagram
	var destination [16]byte
	for _, header := range [][]byte{first, second} {
		if err := d.followRoute(header, &destination); err != nil {
			t.Fatalf("followRoute: %v", err)
		}
	}
	if got, want := netip.AddrFrom16(destination), netip.MustParseAddr("2001::bb"); got != want {
		t.Errorf("destination %v, want %v", got, want)
	}
}
