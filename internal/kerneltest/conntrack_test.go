package kerneltest

import (
	"bytes"
	"net/netip"
	"testing"
)

// TestConntrackBytes checks the encoding of an entry.
func TestConntrackBytes(t *testing.T) {
	attribute := func(kind uint16, data ...byte) []byte { return appendAttribute(nil, kind, data...) }
	tuple := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	for name, tt := range map[string]struct {
		entry Conntrack
		want  [][]byte
	}{
		"TCP": {
			Conntrack{
				Original: Tuple{Source: netip.MustParseAddrPort("1.2.3.4:258"), Destination: netip.MustParseAddrPort("5.6.7.8:3"), Protocol: 6, Zone: 9},
				Status:   1, Timeout: 2, Mark: 3, ID: 4, Zone: 5, Helper: "ftp", Labels: [2]uint64{1 << 9, 1 << 62},
			},
			[][]byte{
				attribute(0x8001, tuple(
					attribute(0x8001, tuple(attribute(1, 1, 2, 3, 4), attribute(2, 5, 6, 7, 8))...),
					attribute(0x8002, tuple(attribute(1, 6), attribute(2, 1, 2), attribute(3, 0, 3))...),
					attribute(3, 0, 9))...),
				attribute(0x8002, tuple(attribute(0x8001), attribute(0x8002, tuple(attribute(1, 0), attribute(2, 0, 0), attribute(3, 0, 0))...))...),
				attribute(18, 0, 5), attribute(12, 0, 0, 0, 4), attribute(3, 0, 0, 0, 1), attribute(7, 0, 0, 0, 2),
				attribute(0x8005, attribute(1, 'f', 't', 'p', 0)...), attribute(8, 0, 0, 0, 3), attribute(22, labelBytes([2]uint64{1 << 9, 1 << 62})...),
			},
		},
		"ICMPv6": {
			Conntrack{
				Original: Tuple{Source: netip.MustParseAddrPort("[::1]:0"), Destination: netip.MustParseAddrPort("[::]:0"), Protocol: 58, ICMPType: 128, ICMPCode: 7, ICMPID: 258},
				Reply:    Tuple{Protocol: 1, ICMPType: 3},
			},
			[][]byte{
				attribute(0x8001, tuple(
					attribute(0x8001, tuple(attribute(3, append(make([]byte, 15), 1)...), attribute(4, make([]byte, 16)...))...),
					attribute(0x8002, tuple(attribute(1, 58), attribute(7, 1, 2), attribute(8, 128), attribute(9, 7))...))...),
				attribute(0x8002, tuple(attribute(0x8001), attribute(0x8002, tuple(attribute(1, 1), attribute(4, 0, 0), attribute(5, 3), attribute(6, 0))...))...),
				attribute(12, 0, 0, 0, 0), attribute(3, 0, 0, 0, 0), attribute(7, 0, 0, 0, 0), attribute(8, 0, 0, 0, 0),
			},
		},
	} {
		if got, want := tt.entry.append(nil), bytes.Join(tt.want, nil); !bytes.Equal(got, want) {
			t.Errorf("%s: got\n% x, want\n% x", name, got, want)
		}
	}
}

// TestLabelBytes checks the positions of labels in the kernel's memory.
func TestLabelBytes(t *testing.T) {
	for n := range 128 {
		var l [2]uint64
		l[n/64] = 1 << (n % 64)
		b := labelBytes(l)
		if got := labelWords(b); got != l {
			t.Errorf("label %d: %x comes back as %x", n, b, got)
		}
		var word uint64 // an unsigned long
		if native.Uint16([]byte{0, 1}) == 1 && labelByte(0) == 3 {
			word = uint64(native.Uint32(b[n/32*4:])) << (n / 32 % 2 * 32)
		} else {
			word = native.Uint64(b[n/64*8:])
		}
		if word != 1<<(n%64) {
			t.Errorf("label %d is in % x", n, b)
		}
	}
}
