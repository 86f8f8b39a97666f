package wire_test

import (
	"bytes"
	"testing"

	"github.com/ipqueue/ipqueue/wire"
)

// ctChanges are changes with the attributes they must be encoded to.
var ctChanges = []struct {
	name   string
	change wire.CTChange
	want   *nfqBuilder
}{
	{"none", wire.CTChange{Timeout: 1, Status: 2, Helper: "x", Labels: wire.CTLabels{1}, LabelMask: wire.CTLabels{1}, Mark: 3, MarkMask: 4}, &nfqBuilder{}},
	{"mark", wire.CTChange{SetMark: true, Mark: 0x01020304}, (&nfqBuilder{}).be32(8, 0x01020304)},
	{"mark 0", wire.CTChange{SetMark: true}, (&nfqBuilder{}).be32(8, 0)},
	{"mark with mask", wire.CTChange{SetMark: true, Mark: 5, MarkMask: 0xff}, (&nfqBuilder{}).be32(8, 5).be32(21, 0xff)},
	{"timeout", wire.CTChange{SetTimeout: true, Timeout: 3600}, (&nfqBuilder{}).be32(7, 3600)},
	{"status", wire.CTChange{SetStatus: true, Status: wire.CTConfirmed | wire.CTFixedTimeout}, (&nfqBuilder{}).be32(3, 0x408)},
	{"no helper", wire.CTChange{SetHelper: true}, (&nfqBuilder{}).attr(0x8005, paddedAttr(1, "\x00")...)},
	{"helper", wire.CTChange{SetHelper: true, Helper: "ftp"}, (&nfqBuilder{}).attr(0x8005, paddedAttr(1, "ftp\x00")...)},
	{"long helper", wire.CTChange{SetHelper: true, Helper: "0123456789abcdef"}, (&nfqBuilder{}).attr(0x8005, paddedAttr(1, "0123456789abcde\x00")...)},
	{"labels", wire.CTChange{SetLabels: true, Labels: wire.CTLabels{1, 1 << 63}, LabelMask: wire.CTLabels{3, 1 << 63}},
		(&nfqBuilder{}).attr(22, ctLabels(0, 127)...).attr(23, ctLabels(0, 1, 127)...)},
	{"all", wire.CTChange{
		SetTimeout: true, Timeout: 1, SetStatus: true, Status: 2, SetHelper: true, Helper: "0123456789abcde",
		SetLabels: true, LabelMask: wire.CTLabels{0, 1}, SetMark: true, MarkMask: 0x80000000,
	}, (&nfqBuilder{}).be32(7, 1).be32(3, 2).attr(0x8005, paddedAttr(1, "0123456789abcde\x00")...).
		attr(22, ctLabels()...).attr(23, ctLabels(64)...).be32(8, 0).be32(21, 0x80000000)},
}

// paddedAttr is one attribute with its padding.
func paddedAttr(typ uint16, data string) []byte {
	return (&nfqBuilder{}).attr(typ, []byte(data)...).pad()
}

func TestAppendCTChange(t *testing.T) {
	for _, tt := range ctChanges {
		t.Run(tt.name, func(t *testing.T) {
			got := wire.AppendCTChange(nil, &tt.change)
			sameBytes(t, "change", got, tt.want.b)
			if len(got) > wire.CTChangeMax || tt.name == "all" && len(got) != wire.CTChangeMax {
				t.Errorf("%d bytes, want at most %d", len(got), wire.CTChangeMax)
			}
			got = wire.AppendCTChange([]byte{1, 2, 3, 4, 5, 6, 7, 8}, &tt.change)
			sameBytes(t, "appended", got, append([]byte{1, 2, 3, 4, 5, 6, 7, 8}, tt.want.b...))
			if dirty := bytes.Repeat([]byte{0xff}, 200); len(tt.want.b) > 0 {
				sameBytes(t, "in used memory", wire.AppendCTChange(dirty[:0], &tt.change), tt.want.b)
			}
		})
	}
}
