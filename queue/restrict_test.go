package queue

import (
	"bytes"
	"testing"
)

func TestRestrictedChange(t *testing.T) {
	four := []byte{0x46, 3: 34, 6: 0x20, 9: 17, 12: 10, 16: 11, 20: 0x94, 4, 0, 0, 33: 0}
	six := []byte{0: 0x60, 5: 26, 6: 60, 8: 0xfd, 24: 0xfe, 40: 17, 0, 1, 12, 65: 0}
	six[41] = 1
	tests := []struct {
		name string
		old  []byte
		set  map[int]byte
		cut  int // bytes fewer
		want string
	}{
		{"nothing", four, nil, 0, ""},
		{"addresses, TTL, checksum, data", four, map[int]byte{8: 9, 10: 1, 12: 1, 16: 2, 19: 3, 30: 4}, 0, ""},
		{"don't fragment", four, map[int]byte{6: 0x60}, 0, ""},
		{"more fragments", four, map[int]byte{6: 0}, 0, "the fragment fields"},
		{"offset", four, map[int]byte{7: 1}, 0, "the fragment fields"},
		{"option", four, map[int]byte{23: 1}, 0, "the IPv4 options"},
		{"header length", four, map[int]byte{0: 0x45}, 0, "the length of the IP header"},
		{"length", four, map[int]byte{3: 33}, 0, unequalLength},
		{"length 0", four, map[int]byte{3: 0}, 0, unequalLength},
		{"protocol", four, map[int]byte{9: 6}, 0, "the protocol"},
		{"shorter", four, map[int]byte{3: 30}, 4, ""},
		{"IPv6 nothing", six, nil, 0, ""},
		{"IPv6 addresses, hop limit, data", six, map[int]byte{1: 1, 7: 1, 8: 2, 39: 4, 60: 4}, 0, ""},
		{"IPv6 first header", six, map[int]byte{6: 0}, 0, "the protocol or an IPv6 extension header"},
		{"IPv6 protocol", six, map[int]byte{40: 6}, 0, "the protocol or an IPv6 extension header"},
		{"IPv6 option", six, map[int]byte{55: 1}, 0, "the protocol or an IPv6 extension header"},
		{"IPv6 length", six, map[int]byte{5: 27}, 0, unequalLength},
		{"IPv6 shorter", six, map[int]byte{5: 20}, 6, ""},
		{"IPv6 without its headers", six, map[int]byte{5: 2}, 24, "the length of the IP header"},
	}
	for _, test := range tests {
		b := bytes.Clone(test.old)
		for at, value := range test.set {
			b[at] = value
		}
		if got := restrictedChange(test.old, b[:len(b)-test.cut]); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
	for _, old := range [][]byte{nil, four[:22], six[:50]} {
		if got := restrictedChange(old, four); got == "" {
			t.Errorf("%x, whose headers are cut, can be replaced", old)
		}
	}
}
