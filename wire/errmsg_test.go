package wire_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/wire"
)

// Flags of an error reply.
const (
	flagCapped  = 0x100 // NLM_F_CAPPED
	flagAckTLVs = 0x200 // NLM_F_ACK_TLVS
)

// TestErrorCaptures compares every reply of a real kernel with its independent
// decoding, and what it echoes with the request.
func TestErrorCaptures(t *testing.T) {
	for file, layout := range captureLayouts {
		t.Run(file, func(t *testing.T) {
			requests := make(map[string][]byte) // bodies, by scenario and sequence number
			for _, c := range captures(t, file) {
				var h wire.Header
				body, err := h.Parse(layout, c.data)
				if c.is("tx ") {
					requests[fmt.Sprint(c.scenario(), h.Seq)] = body
				}
				if !c.is("NLMSG_ERROR ") {
					continue
				}
				if err != nil {
					t.Errorf("%s: %v", c.name, err)
				}
				checkReply(t, c, layout, h, body, requests[fmt.Sprint(c.scenario(), h.Seq)])
			}
		})
	}
}

func checkReply(t *testing.T, c capture, layout wire.Layout, h wire.Header, body, request []byte) {
	t.Helper()
	m, err := layout.ParseError(h, body)
	if err != nil {
		t.Errorf("%s: %v", c.name, err)
		return
	}
	outer, inner, _ := strings.Cut(c.decoded, "inner")
	errno, err := strconv.Atoi(fields(outer)["error"])
	if err != nil {
		t.Fatal(err)
	}
	f := fields(inner)
	want := wire.Header{Len: uint32(num(t, f, "len")), Type: uint16(num(t, f, "type")), Flags: uint16(num(t, f, "flags")), Seq: uint32(num(t, f, "seq")), Port: uint32(num(t, f, "pid"))}
	if int(m.Errno) != -errno || m.Request != want {
		t.Errorf("%s: errno %d, request %+v, want %d, %+v", c.name, m.Errno, m.Request, -errno, want)
	}
	within(t, c.name, m.Body, c.data)
	switch {
	case errno == 0 || strings.Contains(c.name, "capped"):
		request = nil
	case c.scenario() == "compat32": // the request was not recorded: PACKET, range 65535, of a 32-bit program
		request = []byte{0: 2, 4: 0xff, 5: 0xff, 11: 0}
	case request == nil:
		t.Errorf("%s: no request", c.name)
	}
	sameBytes(t, c.name+": echo", m.Body, request)
}

func TestParseError(t *testing.T) {
	request := wire.Header{Len: 28, Type: wire.IPQVerdictType, Flags: 5, Seq: 9, Port: 77}
	body := []byte("twelve bytes")
	tlvs := make([]byte, 40)
	tests := []struct {
		name  string
		flags uint16
		errno int32
		after []byte // what follows the echoed header
		want  string // Body
	}{
		{"ack", 0, 0, nil, ""},
		{"ack of a newer kernel", flagCapped, 0, nil, ""},
		{"ack with attributes", flagCapped | flagAckTLVs, 0, tlvs, ""},
		{"ack with attributes, not marked", 0, 0, tlvs, ""},
		{"refused", 0, -2, body, "twelve bytes"},
		{"refused, followed by attributes", flagAckTLVs, -2, append(body[:12:12], tlvs...), "twelve bytes"},
		{"refused, capped", flagCapped, -1, nil, ""},
		{"refused, capped by Linux 4.3 to 4.11", 0, -1, nil, ""},
		{"refused, capped, with attributes", flagCapped | flagAckTLVs, -1, tlvs, ""},
		{"refused, cut by the buffer", 0, -22, body[:5], "twelv"},
		{"largest errno", 0, -4095, body, "twelve bytes"},
	}
	for _, m := range machines {
		for _, tt := range tests {
			t.Run(m.name+"/"+tt.name, func(t *testing.T) {
				s := cStruct{machine: m}
				s.u32(uint32(tt.errno))
				s.b = append(s.b, m.message(request, body, 0)[:16]...)
				s.b = append(s.b, tt.after...)
				got, err := m.layout.ParseError(wire.Header{Type: wire.NLMsgError, Flags: tt.flags}, s.b)
				if err != nil {
					t.Fatal(err)
				}
				if got.Errno != uint32(-tt.errno) || got.Request != request || string(got.Body) != tt.want {
					t.Errorf("got errno %d, request %+v, body %q, want %d, %+v, %q", got.Errno, got.Request, got.Body, -tt.errno, request, tt.want)
				}
			})
		}
	}
}

func TestParseErrorFailures(t *testing.T) {
	h := wire.Header{Type: wire.NLMsgError}
	full := append([]byte{0xfe, 0xff, 0xff, 0xff}, wire.LE64.AppendHeader(nil, wire.Header{Len: 16})...)
	for n := range full {
		m, err := wire.LE64.ParseError(h, full[:n])
		if !errors.Is(err, wire.ErrTruncated) {
			t.Errorf("%d bytes: error %v, want %v", n, err, wire.ErrTruncated)
		}
		if want := uint32(2); n >= 4 && m.Errno != want {
			t.Errorf("%d bytes: errno %d, want %d", n, m.Errno, want)
		}
	}
	if _, err := wire.LE64.ParseError(h, full); err != nil {
		t.Errorf("%d bytes: %v", len(full), err)
	}
	_, err := wire.LE64.ParseError(wire.Header{Type: wire.NFQPacketType}, full)
	if want := "error reply: nlmsg_type at offset 0: unexpected message type: want 2, got 768"; !errors.Is(err, wire.ErrType) || err.Error() != want {
		t.Errorf("error %v, want %q", err, want)
	}
	m, err := wire.LE64.ParseError(h, append(wire.LE64.AppendHeader(full[:4:4], wire.Header{Len: 3}), "rest"...))
	if err != nil || len(m.Body) != 0 {
		t.Errorf("request shorter than its header: body %q, error %v, want none", m.Body, err)
	}
}
