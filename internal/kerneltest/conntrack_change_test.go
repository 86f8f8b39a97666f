package kerneltest

import (
	"bytes"
	"slices"
	"testing"
)

// TestConntrackChange checks the kernel's handling of each part of NFQA_CT, and
// that it stops at the first part that it refuses.
func TestConntrackChange(t *testing.T) {
	help := func(name string) []byte {
		return appendAttribute(nil, ctHelp|attrNested, appendAttribute(nil, ctHelpName, append([]byte(name), 0)...)...)
	}
	labels := func(kind uint16, l ...uint64) []byte {
		return appendAttribute(nil, kind, labelBytes([2]uint64{l[0], l[1]})...)
	}
	u32 := func(kind uint16, v uint32) []byte { return appendUint32(nil, kind, v) }
	for name, tt := range map[string]struct {
		before Conntrack
		sent   [][]byte
		want   Conntrack
		errno  Errno
	}{
		"nothing":           {Conntrack{Mark: 1}, nil, Conntrack{Mark: 1}, 0},
		"unknown":           {Conntrack{}, [][]byte{u32(12, 1), u32(100, 1)}, Conntrack{}, 0},
		"half an attribute": {Conntrack{}, [][]byte{u32(ctMark, 1), {8, 0, 1}}, Conntrack{Mark: 1}, 0},
		"short mark":        {Conntrack{}, [][]byte{u32(ctTimeout, 1), appendAttribute(nil, ctMark, 1, 2, 3)}, Conntrack{}, errRange},
		"mark":              {Conntrack{Mark: 0xf0}, [][]byte{u32(ctMark, 0xf)}, Conntrack{Mark: 0xf}, 0},
		"mark in mask":      {Conntrack{Mark: 0xf0}, [][]byte{u32(ctMark, 0x21), u32(ctMarkMask, 0x31)}, Conntrack{Mark: 0xe1}, 0},
		"mark out of mask":  {Conntrack{Mark: 0xf0}, [][]byte{u32(ctMark, 0x30), u32(ctMarkMask, 0x10)}, Conntrack{Mark: 0xd0}, 0},
		"mask alone":        {Conntrack{Mark: 0xf0}, [][]byte{u32(ctMarkMask, 0xff)}, Conntrack{Mark: 0xf0}, 0},
		"timeout":           {Conntrack{Timeout: 3}, [][]byte{u32(ctTimeout, 5)}, Conntrack{Timeout: 5}, 0},
		"fixed timeout":     {Conntrack{Status: 0x400}, [][]byte{u32(ctMark, 1), u32(ctTimeout, 5)}, Conntrack{Status: 0x400}, errPerm},
		"status":            {Conntrack{Status: 0x2409}, [][]byte{u32(ctStatus, 0xffffffff&^0x400)}, Conntrack{Status: 0x200f}, 0},
		"status not seen":   {Conntrack{Status: 2}, [][]byte{u32(ctMark, 1), u32(ctStatus, 4)}, Conntrack{Status: 2}, errBusy},
		"status not sure":   {Conntrack{Status: 4}, [][]byte{u32(ctStatus, 2)}, Conntrack{Status: 4}, errBusy},
		"same helper":       {Conntrack{Helper: "ftp"}, [][]byte{help("ftp"), u32(ctMark, 1)}, Conntrack{Helper: "ftp", Mark: 1}, 0},
		"no helper":         {Conntrack{Helper: "ftp"}, [][]byte{help("")}, Conntrack{}, 0},
		"other helper":      {Conntrack{Helper: "ftp"}, [][]byte{help("sip"), u32(ctMark, 1)}, Conntrack{Helper: "ftp"}, errOpNotSupp},
		"expected helper":   {Conntrack{Helper: "ftp", Status: 1}, [][]byte{help("")}, Conntrack{Helper: "ftp", Status: 1}, errBusy},
		"helper unnamed":    {Conntrack{Helper: "ftp"}, [][]byte{appendAttribute(nil, ctHelp)}, Conntrack{Helper: "ftp"}, errInval},
		"labels":            {Conntrack{Labels: [2]uint64{8, 8}}, [][]byte{labels(ctLabels, 1, 2)}, Conntrack{Labels: [2]uint64{1, 2}}, 0},
		"labels in mask": {Conntrack{Labels: [2]uint64{12, 12}}, [][]byte{labels(ctLabels, 1, 0), labels(ctLabelsMask, 5, 4)},
			Conntrack{Labels: [2]uint64{9, 8}}, 0},
		"no room":      {Conntrack{NoLabels: true}, [][]byte{labels(ctLabels, 1, 2), u32(ctMark, 1)}, Conntrack{NoLabels: true}, errNoSpc},
		"short labels": {Conntrack{}, [][]byte{u32(ctLabels, 1)}, Conntrack{}, errInval},
		"short mask":   {Conntrack{}, [][]byte{labels(ctLabels, 1, 2), u32(ctLabelsMask, 1)}, Conntrack{}, errInval},
	} {
		got := tt.before
		if errno := got.change(bytes.Join(tt.sent, nil), false); errno != tt.errno || got != tt.want {
			t.Errorf("%s: %v, entry %+v; want %v, %+v", name, errno, got, tt.errno, tt.want)
		}
	}
}

// If a helper cannot be removed, the later parts of the message are skipped as well.
func TestConntrackChangeKeepsHelper(t *testing.T) {
	c := Conntrack{Helper: "ftp", Timeout: 3}
	want := Conntrack{Helper: "ftp", Timeout: 5}
	help := appendAttribute(nil, ctHelp, appendAttribute(nil, ctHelpName, 0)...)
	mark := appendAttribute(nil, ctMark, 0, 0, 0, 1)
	timeout := appendAttribute(nil, ctTimeout, 0, 0, 0, 5)
	if errno := c.change(slices.Concat(timeout, help, mark), true); errno != errOpNotSupp || c != want {
		t.Errorf("%v, entry %+v; want EOPNOTSUPP, %+v", errno, c, want)
	}
}
