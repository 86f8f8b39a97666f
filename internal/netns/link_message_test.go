package netns

import (
	"encoding/binary"
	"testing"

	"github.com/mdlayher/netlink"
)

// attribute is one of a single byte, padded to four.
func attribute(typ uint16, value byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, 5)
	b = binary.NativeEndian.AppendUint16(b, typ)
	return append(b, value, 0, 0, 0)
}

func TestParseOperState(t *testing.T) {
	info := ifInfo{index: 1}.append(nil)
	with := func(attrs ...[]byte) netlink.Message {
		data := append([]byte(nil), info...)
		for _, a := range attrs {
			data = append(data, a...)
		}
		return netlink.Message{Data: data}
	}
	for _, test := range []struct {
		name    string
		replies []netlink.Message
		want    uint8
		fails   bool
	}{
		{"up", []netlink.Message{with(attribute(17, 1), attribute(iflaOperState, ifOperUp))}, ifOperUp, false},
		{"absent", []netlink.Message{with()}, 0, false},
		{"no reply", nil, 0, true},
		{"two replies", []netlink.Message{with(), with()}, 0, true},
		{"short", []netlink.Message{{Data: info[:15]}}, 0, true},
		{"cut", []netlink.Message{with([]byte{9, 9})}, 0, true},
	} {
		got, err := parseOperState(test.replies)
		if got != test.want || (err != nil) != test.fails {
			t.Errorf("%s: %d, %v, want %d, failing %t", test.name, got, err, test.want, test.fails)
		}
	}
}

func TestIfInfo(t *testing.T) {
	b := ifInfo{index: 7, flags: 8, change: 9}.append([]byte{1})
	if len(b) != 1+sizeofIfInfo {
		t.Fatalf("%d bytes, want %d", len(b)-1, sizeofIfInfo)
	}
	for i, want := range []uint32{0, 7, 8, 9} {
		if got := binary.NativeEndian.Uint32(b[1+4*i:]); got != want {
			t.Errorf("word %d is %d, want %d", i, got, want)
		}
	}
}

// An index is a positive int of C, far from those that the kernel counts up.
func TestNewIndex(t *testing.T) {
	for range 1000 {
		if index := newIndex(); index < 1<<16 || index > 1<<31-1 {
			t.Fatalf("index %d", index)
		}
	}
}
