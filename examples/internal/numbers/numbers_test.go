package numbers

import "testing"

func TestDecimal(t *testing.T) {
	for _, test := range []struct {
		text string
		want uint16
		ok   bool
	}{
		{"0", 0, true}, {"7", 7, true}, {"65535", 65535, true}, {"010", 10, true},
		{"65536", 0, false}, {"-1", 0, false}, {"0x10", 0, false}, {"", 0, false}, {"1 ", 0, false},
	} {
		var n uint16
		if err := Decimal(&n)(test.text); (err == nil) != test.ok || test.ok && n != test.want {
			t.Errorf("%q: %d, %v, want %d, no error: %t", test.text, n, err, test.want, test.ok)
		}
	}
}

func TestMark(t *testing.T) {
	for _, test := range []struct {
		text string
		want uint32
		ok   bool
	}{
		{"0", 0, true}, {"16", 16, true}, {"0x10", 16, true}, {"0xffffffff", 1<<32 - 1, true},
		{"4294967296", 0, false}, {"-1", 0, false}, {"mark", 0, false}, {"", 0, false},
	} {
		var n uint32
		if err := Mark(&n)(test.text); (err == nil) != test.ok || test.ok && n != test.want {
			t.Errorf("%q: %d, %v, want %d, no error: %t", test.text, n, err, test.want, test.ok)
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 rules", 1: "1 rule", 2: "2 rules"} {
		if got := Count(n, "rule"); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
}
