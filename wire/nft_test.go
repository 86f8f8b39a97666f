package wire_test

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/ipqueue/ipqueue/wire"
)

// attrs joins attributes, each of which is a type and its content.
func attrs(list ...any) []byte {
	var b []byte
	for i := 0; i < len(list); i += 2 {
		b = wire.AppendAttr(b, uint16(list[i].(int)), list[i+1].([]byte))
	}
	return b
}

// nftRule is the body of a rule of table t, chain c, handle 9 in family inet.
func nftRule(expressions ...[]byte) []byte {
	var list []byte
	for _, e := range expressions {
		list = wire.AppendAttr(list, 0x8000|1, e)
	}
	return append([]byte{1, 0, 0, 0}, attrs(
		1, []byte("t\x00"), 2, []byte("c\x00"), 3, binary.BigEndian.AppendUint64(nil, 9), 0x8000|4, list)...)
}

func nftExpr(name string, list ...any) []byte {
	return attrs(1, append([]byte(name), 0), 0x8000|2, attrs(list...))
}

func nftTarget(name string, revision byte, words ...uint16) []byte {
	var info []byte
	for _, w := range words {
		info = binary.NativeEndian.AppendUint16(info, w)
	}
	return nftExpr("target", 1, append([]byte(name), 0), 2, []byte{0, 0, 0, revision}, 3, info)
}

func nftVerdict(register byte, code ...byte) []byte {
	return nftExpr("immediate", 1, []byte{0, 0, 0, register}, 0x8000|2, attrs(0x8000|2, attrs(1, code)))
}

func TestParseNFTRule(t *testing.T) {
	counter := nftExpr("counter", 1, make([]byte, 8), 2, []byte{0, 0, 0, 0, 0, 0, 1, 2})
	for _, tt := range []struct {
		name        string
		expressions [][]byte
		want        wire.NFTRule
	}{
		{"no expressions", nil, wire.NFTRule{}},
		{"accept", [][]byte{nftVerdict(0, 0, 0, 0, 1)}, wire.NFTRule{}},
		{"counter", [][]byte{counter}, wire.NFTRule{Counted: true, Packets: 258}},
		{"queue", [][]byte{counter, nftExpr("queue", 1, []byte{0, 7}, 2, []byte{0, 1})},
			wire.NFTRule{Queue: true, First: 7, Last: 7, Counted: true, Packets: 258}},
		{"queues, bypass", [][]byte{nftExpr("queue", 1, []byte{0, 7}, 2, []byte{0, 4}, 3, []byte{0, 3})},
			wire.NFTRule{Queue: true, First: 7, Last: 10, Bypass: true}},
		{"fanout is not bypass", [][]byte{nftExpr("queue", 1, []byte{1, 0}, 2, []byte{0, 2}, 3, []byte{0, 2})},
			wire.NFTRule{Queue: true, First: 256, Last: 257}},
		{"computed", [][]byte{nftExpr("queue", 4, []byte{0, 0, 0, 8}, 3, []byte{0, 1})},
			wire.NFTRule{Queue: true, Computed: true, Bypass: true}},
		{"NFQUEUE revision 0", [][]byte{nftTarget("NFQUEUE", 0, 5)}, wire.NFTRule{Queue: true, First: 5, Last: 5}},
		{"NFQUEUE revision 1", [][]byte{nftTarget("NFQUEUE", 1, 5, 2)}, wire.NFTRule{Queue: true, First: 5, Last: 6}},
		{"NFQUEUE revision 2", [][]byte{nftTarget("NFQUEUE", 2, 5, 2, 1)},
			wire.NFTRule{Queue: true, First: 5, Last: 6, Bypass: true}},
		{"NFQUEUE revision 3", [][]byte{nftTarget("NFQUEUE", 3, 5, 1, 2)}, wire.NFTRule{Queue: true, First: 5, Last: 5}},
		{"another target", [][]byte{nftTarget("MARK", 2, 5, 2, 1)}, wire.NFTRule{}},
		{"QUEUE", [][]byte{nftVerdict(0, 0, 0, 0, 3)}, wire.NFTRule{Queue: true}},
		{"QUEUE 7 bypass", [][]byte{nftVerdict(0, 0, 7, 0x80, 3)}, wire.NFTRule{Queue: true, First: 7, Last: 7, Bypass: true}},
		{"3 in another register", [][]byte{nftVerdict(1, 0, 0, 0, 3)}, wire.NFTRule{}},
	} {
		want := tt.want
		want.Family, want.Table, want.Chain, want.Handle = 1, "t", "c", 9
		if got, err := wire.ParseNFTRule(nftRule(tt.expressions...)); got != want || err != nil {
			t.Errorf("%s: got %+v, %v, want %+v", tt.name, got, err, want)
		}
	}
}

func TestParseNFTRuleErrors(t *testing.T) {
	for _, tt := range []struct {
		name string
		body []byte
		want error
	}{
		{"empty", nil, wire.ErrTruncated},
		{"half an attribute", []byte{1, 0, 0, 0, 9, 0}, wire.ErrTruncated},
		{"short handle", append([]byte{1, 0, 0, 0}, attrs(3, []byte{1, 2})...), wire.ErrTruncated},
		{"short number", nftRule(nftExpr("queue", 1, []byte{7})), wire.ErrTruncated},
		{"short revision", nftRule(nftExpr("target", 2, []byte{7})), wire.ErrTruncated},
		{"short NFQUEUE", nftRule(nftTarget("NFQUEUE", 3, 5, 1)), wire.ErrTruncated},
		{"short verdict", nftRule(nftVerdict(0, 3)), wire.ErrTruncated},
		{"short register", nftRule(nftExpr("immediate", 1, []byte{0})), wire.ErrTruncated},
		{"broken list", nftRule([]byte{0, 0, 0, 0}), wire.ErrLength},
	} {
		if _, err := wire.ParseNFTRule(tt.body); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestAppendNFTGetRules(t *testing.T) {
	b := wire.AppendNFTGetRules([]byte("x"), 7, 8)[1:]
	var h wire.Header
	body, err := h.Parse(wire.Native(), b)
	want := wire.Header{Len: 20, Type: wire.NFTGetRuleType, Flags: wire.FlagRequest | wire.FlagDump, Seq: 7, Port: 8}
	if h != want || err != nil || hex.EncodeToString(body) != "00000000" {
		t.Errorf("got %+v, %x, %v, want %+v and four zeros", h, body, err, want)
	}
}

// A rule is decoded without a look at what lies behind it, and only its own
// queues count.
func FuzzNFTRule(f *testing.F) {
	f.Add(nftRule(nftTarget("NFQUEUE", 3, 5, 1, 1)))
	f.Add(nftRule(nftExpr("queue", 1, []byte{0, 7}, 2, []byte{0, 4}, 3, []byte{0, 3})))
	f.Add(nftRule(nftVerdict(0, 0, 7, 0x80, 3)))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := onFences(t, body, func(b []byte) (wire.NFTRule, [][]byte, error) {
			r, err := wire.ParseNFTRule(b)
			return r, nil, err
		})
		if err == nil && !r.Queue && (r.First|r.Last != 0 || r.Bypass || r.Computed) {
			t.Errorf("no queue, but %+v", r)
		}
	})
}
