package wire_test

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/ipqueue/ipqueue/wire"
)

// verdictCaptures are verdicts that a real kernel accepted, or refused for
// reasons other than their format. The ids are those of the packets before them.
var verdictCaptures = map[string]wire.NFQVerdict{
	"verdict-accept":              {Queue: 3, Verdict: wire.VerdictAccept},
	"verdict-mark-priority":       {Queue: 3, ID: 5, Verdict: wire.VerdictAccept, SetMark: true, Mark: 0x01020304, SetPriority: true, Priority: 0x00050006},
	"verdict-twice":               {Queue: 3, ID: 5, Verdict: wire.VerdictAccept},
	"verdict-stolen":              {Queue: 3, ID: 5, Verdict: wire.VerdictStolen},
	"verdict-other-queue":         {Queue: 4, ID: 5, Verdict: wire.VerdictAccept},
	"verdict-replace-x":           {Queue: 3, ID: 6, Verdict: wire.VerdictAccept, SetPayload: true},
	"verdict-replace-xy":          {Queue: 3, ID: 7, Verdict: wire.VerdictAccept, SetPayload: true},
	"verdict-replace-xyz":         {Queue: 3, ID: 8, Verdict: wire.VerdictAccept, SetPayload: true},
	"verdict-replace-xyzz":        {Queue: 3, ID: 9, Verdict: wire.VerdictAccept, SetPayload: true},
	"verdict-conntrack-mark":      {Queue: 3, ID: 10, Verdict: wire.VerdictAccept, Conntrack: (&nfqBuilder{}).be32(8, 99).b},
	"verdict-drop":                {Queue: 3, ID: 11, Verdict: wire.VerdictDrop},
	"verdict-repeat":              {Queue: 3, ID: 12, Verdict: wire.VerdictRepeat},
	"verdict-queue-self":          {Queue: 3, ID: 13, Verdict: wire.QueueVerdict(3, false)},
	"verdict-queue-bypass":        {Queue: 3, ID: 14, Verdict: wire.QueueVerdict(77, true)},
	"verdict-stop":                {Queue: 3, ID: 15, Verdict: wire.VerdictStop},
	"batch-accept-mark":           {Queue: 3, ID: 17, Verdict: wire.VerdictAccept, SetMark: true, Mark: 7},
	"capped-verdict-unknown-id":   {Queue: 3, ID: 99999, Verdict: wire.VerdictAccept},
	"verdict-link-header-ignored": {Queue: 4, ID: 1, Verdict: wire.VerdictAccept, LinkHeader: make([]byte, 14), SetVLAN: true, VLANProto: 0x88a8, VLANTCI: 0x2007},
}

func TestAppendNFQVerdictCaptures(t *testing.T) {
	littleEndianOnly(t)
	seen := make(map[string]bool)
	var lastID uint32
	for _, c := range captures(t, "nfq_le64.hex") {
		f := fields(c.decoded)
		if c.is("NFQ_PACKET ") {
			lastID = uint32(num(t, f, "id"))
		}
		v, ok := verdictCaptures[c.probe(t)]
		if !ok || !c.is("tx ") {
			continue
		}
		if v.ID == 0 {
			v.ID = lastID
		}
		if v.SetPayload {
			v.Payload = c.data[36:]
		}
		encode := wire.AppendNFQVerdict
		if num(t, f, "type") == wire.NFQVerdictBatchType {
			encode = wire.AppendNFQVerdictBatch
		}
		got := encode(nil, uint16(num(t, f, "flags")), uint32(num(t, f, "seq")), uint32(num(t, f, "pid")), &v)
		sameBytes(t, c.name, got, c.data)
		seen[c.probe(t)] = true
	}
	if len(seen) != len(verdictCaptures) {
		t.Errorf("%d kinds of verdicts, want %d", len(seen), len(verdictCaptures))
	}
}

// TestTwoVerdictsCapture encodes a datagram of two verdicts, both of which a real
// kernel accepted. The first has an odd length.
func TestTwoVerdictsCapture(t *testing.T) {
	littleEndianOnly(t)
	for _, c := range captures(t, "nfq_le64.hex") {
		if c.probe(t) != "two-verdicts" || !c.is("tx ") {
			continue
		}
		f := fields(c.decoded)
		seq, port := uint32(num(t, f, "seq")), uint32(num(t, f, "pid"))
		got := wire.AppendNFQVerdict(nil, 0, seq, port, &wire.NFQVerdict{Queue: 3, ID: 18, Verdict: wire.VerdictAccept, SetPayload: true, Payload: c.data[36:67]})
		got = wire.AppendNFQVerdict(got, wire.FlagAck, seq, port, &wire.NFQVerdict{Queue: 3, ID: 19, Verdict: wire.VerdictAccept})
		sameBytes(t, c.name, got, c.data)
		return
	}
	t.Error("capture not found")
}

// verdictCases are verdicts, each with the attributes of its encoding, in this
// order.
var verdictCases = []struct {
	name    string
	verdict wire.NFQVerdict
	want    *nfqBuilder
}{
	{"zero", wire.NFQVerdict{}, newNFQ(0, 0).attr(2, 0, 0, 0, 0, 0, 0, 0, 0)},
	{"accept", wire.NFQVerdict{Queue: 0x1234, ID: 0x89abcdef, Verdict: wire.VerdictAccept}, newNFQ(0, 0x1234).attr(2, 0, 0, 0, 1, 0x89, 0xab, 0xcd, 0xef)},
	{"queue", wire.NFQVerdict{ID: 1, Verdict: wire.QueueVerdict(0xabcd, true)}, newNFQ(0, 0).attr(2, 0xab, 0xcd, 0x80, 3, 0, 0, 0, 1)},
	{"mark 0", wire.NFQVerdict{SetMark: true}, newNFQ(0, 0).attr(2, make([]byte, 8)...).be32(3, 0)},
	{"priority", wire.NFQVerdict{SetPriority: true, Priority: 0x10006}, newNFQ(0, 0).attr(2, make([]byte, 8)...).be32(21, 0x10006)},
	{"VLAN", wire.NFQVerdict{SetVLAN: true, VLANProto: 0x8100, VLANTCI: 0x6005}, newNFQ(0, 0).attr(2, make([]byte, 8)...).attr(0x8013, vlanAttrs(0x8100, 0x6005, 1, 2)...)},
	{"link header", wire.NFQVerdict{LinkHeader: []byte("fourteen bytes")}, newNFQ(0, 0).attr(2, make([]byte, 8)...).attr(20, []byte("fourteen bytes")...)},
	{"conntrack", wire.NFQVerdict{Conntrack: []byte("ct")}, newNFQ(0, 0).attr(2, make([]byte, 8)...).attr(0x800b, []byte("ct")...)},
	{"empty conntrack", wire.NFQVerdict{Conntrack: []byte{}}, newNFQ(0, 0).attr(2, make([]byte, 8)...).attr(0x800b)},
	{"expectation", wire.NFQVerdict{Expect: []byte("exp")}, newNFQ(0, 0).attr(2, make([]byte, 8)...).attr(0x800f, []byte("exp")...)},
	{"empty payload", wire.NFQVerdict{SetPayload: true, Payload: []byte{}}, newNFQ(0, 0).attr(2, make([]byte, 8)...).attr(10)},
	{"payload of 1", wire.NFQVerdict{SetPayload: true, Payload: []byte("1")}, newNFQ(0, 0).attr(2, make([]byte, 8)...).attr(10, '1')},
	{"longest payload", wire.NFQVerdict{SetPayload: true, Payload: make([]byte, wire.NFQMaxPayload)}, newNFQ(0, 0).attr(2, make([]byte, 8)...).attr(10, make([]byte, 65531)...)},
	{"all", wire.NFQVerdict{
		Queue: 1, ID: 2, Verdict: wire.VerdictRepeat, SetMark: true, Mark: 3, SetPriority: true, Priority: 4,
		SetVLAN: true, VLANProto: 5, VLANTCI: 6, Conntrack: []byte("conntrack"), Expect: []byte("expect"),
		LinkHeader: []byte("fourteen bytes"), SetPayload: true, Payload: []byte("payload"),
	}, newNFQ(0, 1).attr(2, 0, 0, 0, 4, 0, 0, 0, 2).be32(3, 3).be32(21, 4).attr(0x8013, vlanAttrs(5, 6, 1, 2)...).
		attr(20, []byte("fourteen bytes")...).attr(0x800b, []byte("conntrack")...).attr(0x800f, []byte("expect")...).attr(10, []byte("payload")...)},
}

func TestAppendNFQVerdict(t *testing.T) {
	h := wire.Header{Type: wire.NFQVerdictType, Flags: 1, Seq: 7, Port: 0x80000008}
	for _, tt := range verdictCases {
		t.Run(tt.name, func(t *testing.T) {
			want := tt.want.message(h)
			dirty := bytes.Repeat([]byte{0xff}, len(want)+8)
			got := wire.AppendNFQVerdict(dirty[:0], 0, h.Seq, h.Port, &tt.verdict)
			sameBytes(t, "message", got, want)
			for pad := range 4 {
				before := []byte{1, 2, 3, 4}[:4-pad]
				got = wire.AppendNFQVerdict(slices.Clone(before), 0, h.Seq, h.Port, &tt.verdict)
				sameBytes(t, "second message", got, slices.Concat(before, make([]byte, pad), want))
			}
			var back wire.NFQVerdict
			if err := back.Parse(want[wire.HeaderLen:]); err != nil || !reflect.DeepEqual(back, tt.verdict) {
				t.Errorf("parsed %+v, error %v, want %+v", back, err, tt.verdict)
			}
			for _, s := range [][]byte{back.Payload, back.Conntrack, back.Expect, back.LinkHeader} {
				within(t, "slice", s, want)
			}
		})
	}
}

func TestAppendNFQVerdictBatch(t *testing.T) {
	h := wire.Header{Type: wire.NFQVerdictBatchType, Flags: 5, Seq: 7, Port: 8}
	v := wire.NFQVerdict{
		Queue: 1, ID: 2, Verdict: wire.VerdictAccept, SetMark: true, Mark: 3, SetPriority: true, Priority: 4,
		SetVLAN: true, Conntrack: []byte("not sent"), LinkHeader: []byte("not sent"), SetPayload: true, Payload: []byte("not sent"),
	}
	got := wire.AppendNFQVerdictBatch([]byte{9}, wire.FlagAck, h.Seq, h.Port, &v)
	want := newNFQ(0, 1).attr(2, 0, 0, 0, 1, 0, 0, 0, 2).be32(3, 3).be32(21, 4).message(h)
	sameBytes(t, "all fields", got, append([]byte{9, 0, 0, 0}, want...))

	got = wire.AppendNFQVerdictBatch(nil, wire.FlagAck, h.Seq, h.Port, &wire.NFQVerdict{ID: 0xffffffff})
	want = newNFQ(0, 0).attr(2, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff).message(h)
	sameBytes(t, "no fields", got, want)
}

// TestVerdictWordMasked encodes words with bits set that must be zero.
// nfnetlink_queue checks only the low 8 bits, but compares ACCEPT and REPEAT as
// whole words: such bits would make it skip hook functions or drop the packet.
func TestVerdictWordMasked(t *testing.T) {
	for v, want := range map[wire.Verdict]uint32{
		0: 0, 1: 1, 4: 4, 5: 5,
		0x10000: 0, 0x10001: 1, 0x8001: 1, 0x101: 1, 0xffffff01: 1, 0x10004: 4, 0xffffff05: 5,
		3: 3, 0x00038003: 0x00038003, 0xffff8003: 0xffff8003, 0xffffff03: 0xffff8003, 0x7f03: 3,
		2: 2, 6: 6, 0x106: 6, // refused by the kernel
	} {
		head := newNFQ(0, 0).attr(2, append(hex32(want), 0, 0, 0, 0)...)
		got := wire.AppendNFQVerdict(nil, 0, 0, 0, &wire.NFQVerdict{Verdict: v})
		sameBytes(t, v.String(), got, head.message(wire.Header{Type: wire.NFQVerdictType, Flags: wire.FlagRequest}))
		got = wire.AppendNFQVerdictBatch(nil, 0, 0, 0, &wire.NFQVerdict{Verdict: v})
		sameBytes(t, "batch "+v.String(), got, head.message(wire.Header{Type: wire.NFQVerdictBatchType, Flags: wire.FlagRequest}))
	}
}

func TestNFQVerdictValidate(t *testing.T) {
	long := make([]byte, wire.NFQMaxPayload+1)
	tests := []struct {
		name string
		v    wire.NFQVerdict
		err  error
		text string
	}{
		{"zero", wire.NFQVerdict{}, nil, ""},
		{"longest", wire.NFQVerdict{SetPayload: true, Payload: long[1:], Conntrack: long[1:], Expect: long[1:], LinkHeader: long[1:]}, nil, ""},
		{"queue", wire.NFQVerdict{Verdict: wire.QueueVerdict(5, true)}, nil, ""},
		{"payload", wire.NFQVerdict{SetPayload: true, Payload: long}, wire.ErrLength, "nfqueue verdict: NFQA_PAYLOAD at offset 0: bad length: want 65531, got 65532"},
		{"conntrack", wire.NFQVerdict{Conntrack: long}, wire.ErrLength, "nfqueue verdict: NFQA_CT at offset 0: bad length: want 65531, got 65532"},
		{"expectation", wire.NFQVerdict{Expect: long}, wire.ErrLength, "nfqueue verdict: NFQA_EXP at offset 0: bad length: want 65531, got 65532"},
		{"link header", wire.NFQVerdict{LinkHeader: long}, wire.ErrLength, "nfqueue verdict: NFQA_L2HDR at offset 0: bad length: want 65531, got 65532"},
		{"stolen", wire.NFQVerdict{Verdict: wire.VerdictStolen}, wire.ErrValue, "nfqueue verdict: stolen at offset 8: bad value"},
		{"accept with a queue number", wire.NFQVerdict{Verdict: wire.VerdictAccept | 1<<16}, wire.ErrValue, "nfqueue verdict: Verdict(0x10001) at offset 8: bad value"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.v.Validate()
			if !errors.Is(err, tt.err) || err != nil && err.Error() != tt.text {
				t.Errorf("error %v, want %q", err, tt.text)
			}
		})
	}
}

// TestAppendNFQVerdictTooLong checks that a payload that is too long does not
// spill into the next attribute.
func TestAppendNFQVerdictTooLong(t *testing.T) {
	v := wire.NFQVerdict{ID: 1, SetPayload: true, Payload: make([]byte, 65532+100), LinkHeader: make([]byte, 70000)}
	b := wire.AppendNFQVerdict(nil, 0, 0, 0, &v)
	var h wire.Header
	body, err := h.Parse(wire.Native(), b)
	if err != nil || int(h.Len) != len(b) {
		t.Fatalf("header %+v, error %v, want length %d", h, err, len(b))
	}
	var back wire.NFQVerdict
	if err := back.Parse(body); err != nil || len(back.Payload) != 65531 || len(back.LinkHeader) != 65531 {
		t.Errorf("payload of %d, link header of %d bytes, error %v, want 65531", len(back.Payload), len(back.LinkHeader), err)
	}
}

func TestNFQVerdictParseSkips(t *testing.T) {
	n := newNFQ(9, 8)
	for _, typ := range []uint16{0, 1, 4, 9, 12, 16, 23, 31, 32, 0x3fff} {
		n.attr(typ).attr(typ, 1, 2, 3)
	}
	n.attr(0x8002, 0, 0, 0, 1, 0, 0, 0, 7, 0xff).attr(0x4003, 0, 0, 0, 5, 6, 7)
	v := wire.NFQVerdict{SetPriority: true, Payload: []byte("old")}
	want := wire.NFQVerdict{Queue: 8, ID: 7, Verdict: wire.VerdictAccept, SetMark: true, Mark: 5}
	if err := v.Parse(n.b); err != nil || !reflect.DeepEqual(v, want) {
		t.Errorf("got %+v, error %v, want %+v", v, err, want)
	}
}

func TestNFQVerdictParseErrors(t *testing.T) {
	head := newNFQ(0, 9).attr(2, 0, 0, 0, 1, 0, 0, 0, 7).b
	with := func(tail []byte) []byte { return slices.Concat(head, tail) }
	tests := []struct {
		body []byte
		err  error
		text string
	}{
		{nil, wire.ErrTruncated, "nfqueue verdict: nfgenmsg at offset 0: message is truncated: want 4, got 0"},
		{newNFQ(0, 9).b, wire.ErrMissing, "nfqueue verdict: NFQA_VERDICT_HDR at offset 4: attribute is missing: want 8, got 0"},
		{newNFQ(0, 9).attr(2, 0, 0, 0, 1, 0, 0, 0).b, wire.ErrLength, "nfqueue verdict: NFQA_VERDICT_HDR at offset 4: bad length: want 8, got 7"},
		{with(rawAttr(7, 3, 1, 0, 0)), wire.ErrLength, "nfqueue verdict: NFQA_MARK at offset 16: bad length: want 4, got 3"},
		{with(rawAttr(4, 21)), wire.ErrLength, "nfqueue verdict: NFQA_PRIORITY at offset 16: bad length: want 4, got 0"},
		{with(rawAttr(4, 19)), wire.ErrMissing, "nfqueue verdict: NFQA_VLAN_PROTO at offset 20: attribute is missing: want 2, got 0"},
		{with(rawAttr(2, 5)), wire.ErrLength, "nfqueue verdict: nla_len at offset 16: bad length: want 4, got 2"},
		{with(rawAttr(900, 10, 1)), wire.ErrTruncated, "nfqueue verdict: nla_len at offset 16: message is truncated: want 900, got 5"},
		{with([]byte{8}), wire.ErrTruncated, "nfqueue verdict: nlattr at offset 16: message is truncated: want 4, got 1"},
	}
	for _, tt := range tests {
		v := wire.NFQVerdict{ID: 99}
		err := v.Parse(tt.body)
		if !errors.Is(err, tt.err) || err.Error() != tt.text {
			t.Errorf("error %v, want %q", err, tt.text)
		}
		if known := len(tt.body) > 16; known != (v.ID == 7) || v.SetVLAN {
			t.Errorf("%v: got %+v", err, v)
		}
	}
}
