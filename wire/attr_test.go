package wire_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/ipqueue/ipqueue/wire"
)

// walk returns the attributes of b in a readable form and the error that ended
// the walk.
func walk(tb testing.TB, b []byte) (all []string, err error) {
	tb.Helper()
	for rest := b; len(rest) > 0; {
		var a wire.Attr
		before := len(rest)
		if a, rest, err = wire.NextAttr(rest); err != nil {
			if len(rest) != 0 || a.Data != nil {
				tb.Errorf("error %v with %d bytes left and data %x, want none", err, len(rest), a.Data)
			}
			return all, err
		}
		if len(rest) >= before {
			tb.Fatalf("%d bytes left of %d", len(rest), before)
		}
		within(tb, "data", a.Data, b)
		all = append(all, fmt.Sprintf("%d:%x", a.Type, a.Data))
	}
	return all, nil
}

// rawAttr returns an attribute header with the given length and type.
func rawAttr(length, typ uint16, after ...byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, length)
	return append(binary.NativeEndian.AppendUint16(b, typ), after...)
}

func TestNextAttr(t *testing.T) {
	join := func(parts ...[]byte) []byte { return slices.Concat(parts...) }
	tests := []struct {
		name string
		b    []byte
		want []string
		err  error
	}{
		{"none", nil, nil, nil},
		{"empty", rawAttr(4, 1), []string{"1:"}, nil},
		{"unpadded tail", rawAttr(5, 1, 0xaa), []string{"1:aa"}, nil},
		{"partly padded tail", rawAttr(5, 1, 0xaa, 0, 0), []string{"1:aa"}, nil},
		{"padded tail", rawAttr(5, 1, 0xaa, 0, 0, 0), []string{"1:aa"}, nil},
		{"two", join(rawAttr(6, 1, 1, 2, 0xff, 0xff), rawAttr(8, 2, 3, 4, 5, 6)), []string{"1:0102", "2:03040506"}, nil},
		{"flags are masked", join(rawAttr(4, 0x8013), rawAttr(4, 0x4005), rawAttr(4, 0xffff)), []string{"19:", "5:", "16383:"}, nil},
		{"length 0", rawAttr(0, 1), nil, wire.ErrLength},
		{"length 1", rawAttr(1, 1), nil, wire.ErrLength},
		{"length 2", rawAttr(2, 1), nil, wire.ErrLength},
		{"length 3 after a good one", join(rawAttr(4, 7), rawAttr(3, 1)), []string{"7:"}, wire.ErrLength},
		{"beyond the end", rawAttr(6, 1, 0xaa), nil, wire.ErrTruncated},
		{"far beyond the end", rawAttr(0xffff, 1, 0xaa), nil, wire.ErrTruncated},
		{"1 byte", []byte{4}, nil, wire.ErrTruncated},
		{"3 bytes after a good one", join(rawAttr(4, 7), []byte{4, 0, 1}), []string{"7:"}, wire.ErrTruncated},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := walk(t, tt.b)
			if !slices.Equal(got, tt.want) || !errors.Is(err, tt.err) {
				t.Errorf("got %v, error %v, want %v, error %v", got, err, tt.want, tt.err)
			}
		})
	}
}

func TestNextAttrEmpty(t *testing.T) {
	if _, _, err := wire.NextAttr(nil); !errors.Is(err, wire.ErrTruncated) {
		t.Errorf("error %v, want %v", err, wire.ErrTruncated)
	}
}

func TestNextAttrErrorText(t *testing.T) {
	tests := []struct {
		b    []byte
		want string
	}{
		{[]byte{1, 2}, "netlink attributes: nlattr at offset 0: message is truncated: want 4, got 2"},
		{rawAttr(3, 1), "netlink attributes: nla_len at offset 0: bad length: want 4, got 3"},
		{rawAttr(9, 1, 5), "netlink attributes: nla_len at offset 0: message is truncated: want 9, got 5"},
	}
	for _, tt := range tests {
		if _, _, err := wire.NextAttr(tt.b); err == nil || err.Error() != tt.want {
			t.Errorf("%x: error %v, want %q", tt.b, err, tt.want)
		}
	}
}

func TestAppendAttr(t *testing.T) {
	var b []byte
	for n := range 9 {
		b = wire.AppendAttr(b, uint16(n), make([]byte, n))
	}
	want := &nfqBuilder{}
	for n := range 9 {
		want.attr(uint16(n), make([]byte, n)...)
	}
	sameBytes(t, "nine attributes", b, want.b)

	b = wire.AppendAttr([]byte{1}, 0x8001, []byte{2})
	sameBytes(t, "after one byte", b, append([]byte{1, 0, 0, 0}, rawAttr(5, 0x8001, 2)...))
}

func TestAppendAttrTooLong(t *testing.T) {
	for _, n := range []int{65530, 65531, 65532, 70000} {
		b := wire.AppendAttr(nil, 1, make([]byte, n))
		b = wire.AppendAttr(b, 2, []byte("next"))
		a, rest, err := wire.NextAttr(b)
		if err != nil || len(a.Data) != min(n, 65531) {
			t.Fatalf("%d bytes: %d written, error %v, want %d", n, len(a.Data), err, min(n, 65531))
		}
		if a, _, err = wire.NextAttr(rest); err != nil || a.Type != 2 || string(a.Data) != "next" {
			t.Errorf("%d bytes: followed by %d %q, error %v", n, a.Type, a.Data, err)
		}
	}
}
