package wire_test

import (
	"errors"
	"testing"

	"github.com/ipqueue/ipqueue/wire"
)

var someHeader = wire.Header{Len: 20, Type: 0x1234, Flags: 0x5678, Seq: 0x9abcdef0, Port: 0x80000001}

func TestHeader(t *testing.T) {
	for _, m := range machines {
		msg := append(m.message(someHeader, []byte("body"), 0), "next"...)
		var h wire.Header
		body, err := h.Parse(m.layout, msg)
		if err != nil {
			t.Fatalf("%s: %v", m.name, err)
		}
		if h != someHeader {
			t.Errorf("%s: header %+v, want %+v", m.name, h, someHeader)
		}
		if string(body) != "body" || cap(body) != len(body) {
			t.Errorf("%s: body %q of capacity %d, want %q and its length", m.name, body, cap(body), "body")
		}
		within(t, "body", body, msg)
		got := m.layout.AppendHeader([]byte("before"), h)
		sameBytes(t, m.name, got, append([]byte("before"), msg[:wire.HeaderLen]...))
	}
}

func TestHeaderParseErrors(t *testing.T) {
	full := machines[1].message(wire.Header{Type: 3}, []byte("body"), 0)
	tests := []struct {
		name string
		msg  []byte
		len  byte
		want error
		text string
		body string
	}{
		{"empty", nil, 0, wire.ErrTruncated, "netlink message: nlmsghdr at offset 0: message is truncated: want 16, got 0", ""},
		{"15 bytes", full[:15], 20, wire.ErrTruncated, "netlink message: nlmsghdr at offset 0: message is truncated: want 16, got 15", ""},
		{"length 0", full, 0, wire.ErrLength, "netlink message: nlmsg_len at offset 0: bad length: want 16, got 0", ""},
		{"length 15", full, 15, wire.ErrLength, "netlink message: nlmsg_len at offset 0: bad length: want 16, got 15", ""},
		{"length 21", full, 21, wire.ErrTruncated, "netlink message: body at offset 16: message is truncated: want 21, got 20", "body"},
		{"cut", full[:18], 20, wire.ErrTruncated, "netlink message: body at offset 16: message is truncated: want 20, got 18", "bo"},
		{"no body", full[:16], 16, nil, "", ""},
		{"exact", full, 20, nil, "", "body"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			msg := append([]byte(nil), tt.msg...)
			if len(msg) > 0 {
				msg[0] = tt.len
			}
			var h wire.Header
			body, err := h.Parse(wire.LE64, msg)
			if !errors.Is(err, tt.want) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			if err != nil && err.Error() != tt.text {
				t.Errorf("error %q, want %q", err, tt.text)
			}
			if string(body) != tt.body {
				t.Errorf("body %q, want %q", body, tt.body)
			}
			if len(msg) >= 16 && h.Type != 3 {
				t.Errorf("type %d, want 3 also with an error", h.Type)
			}
		})
	}
}

func TestHeaderParseHugeLength(t *testing.T) {
	msg := make([]byte, 16)
	for i := range 4 {
		msg[i] = 0xff
	}
	if _, err := new(wire.Header).Parse(wire.LE32, msg); !errors.Is(err, wire.ErrTruncated) {
		t.Errorf("error %v, want %v", err, wire.ErrTruncated)
	}
}

// TestHeaderCaptures compares every header, of both directions, with its
// independent decoding.
func TestHeaderCaptures(t *testing.T) {
	cut := map[string]error{"nlmsg_len-beyond-data": wire.ErrTruncated, "nlmsg_len-15": wire.ErrLength, "datagram-15-bytes": wire.ErrTruncated, "datagram-0-bytes": wire.ErrTruncated}
	for file, layout := range captureLayouts {
		for _, c := range captures(t, file) {
			var h wire.Header
			_, err := h.Parse(layout, c.data)
			if want := cut[c.probe(t)]; !errors.Is(err, want) {
				t.Errorf("%s: error %v, want %v", c.name, err, want)
			}
			if !c.is("tx ") {
				continue
			}
			f := fields(c.decoded)
			want := wire.Header{Len: uint32(num(t, f, "len")), Type: uint16(num(t, f, "type")), Flags: uint16(num(t, f, "flags")), Seq: uint32(num(t, f, "seq")), Port: uint32(num(t, f, "pid"))}
			if h != want {
				t.Errorf("%s: header %+v, want %+v", c.name, h, want)
			}
			sameBytes(t, c.name, layout.AppendHeader(nil, h), c.data[:wire.HeaderLen])
		}
	}
}

// captureLayouts contains the layout of the kernel that wrote each file.
var captureLayouts = map[string]wire.Layout{
	"ipq_packets_le64.hex": wire.LE64,
	"ipq_packets_le32.hex": wire.LE32,
	"ipq_errors_le64.hex":  wire.LE64,
	"ipq_errors_le32.hex":  wire.LE32,
	"nfq_le64.hex":         wire.LE64,
}
