package main

import "testing"

func TestMark(t *testing.T) {
	for _, test := range []struct {
		text string
		want mark
		says string // "" means no error
	}{
		{"1", mark{1, 1}, ""}, {"0x10", mark{16, 16}, ""}, {"5/7", mark{5, 7}, ""}, {"0x100/0xff00", mark{0x100, 0xff00}, ""},
		{"0xffffffff", mark{1<<32 - 1, 1<<32 - 1}, ""}, {"0", mark{}, ""},
		{"2/1", mark{}, "0x2 has bits outside its mask 0x1"},
		{"0/1", mark{}, "packets that are not decided yet have value 0"},
		{"", mark{}, "want a number of 32 bits such as 1 or 0x10, or two as in 0x10/0xf0"},
		{"1/", mark{}, "want a number of 32 bits such as 1 or 0x10, or two as in 0x10/0xf0"},
		{"-1", mark{}, "want a number of 32 bits such as 1 or 0x10, or two as in 0x10/0xf0"},
		{"0x100000000", mark{}, "want a number of 32 bits such as 1 or 0x10, or two as in 0x10/0xf0"},
	} {
		var m mark
		err := m.Set(test.text)
		if m != test.want || (err == nil) != (test.says == "") || err != nil && err.Error() != test.says {
			t.Errorf("%q: %v, %v, want %v, %s", test.text, m, err, test.want, test.says)
		}
	}
}

func TestMarkOn(t *testing.T) {
	for _, test := range []struct {
		mark   mark
		packet uint32
		want   bool
	}{
		{mark{1, 1}, 1, true}, {mark{1, 1}, 0xca6d, true}, {mark{1, 1}, 0xca6c, false},
		{mark{1, 3}, 3, false}, {mark{}, 0, false}, {mark{}, 7, false},
	} {
		if got := test.mark.on(test.packet); got != test.want {
			t.Errorf("%v on %#x: %t, want %t", test.mark, test.packet, got, test.want)
		}
	}
}

func TestMarksClash(t *testing.T) {
	for _, test := range []struct {
		a, b mark
		want bool
	}{
		{mark{1, 1}, mark{2, 2}, false}, {mark{1, 3}, mark{2, 3}, false}, {mark{1, 1}, mark{1, 1}, true},
		{mark{1, 1}, mark{3, 3}, true}, {mark{}, mark{1, 1}, false}, {mark{}, mark{}, false},
	} {
		if got := test.a.clashes(test.b); got != test.want || got != test.b.clashes(test.a) {
			t.Errorf("%v and %v clash: %t, want %t, in either order", test.a, test.b, got, test.want)
		}
	}
}
