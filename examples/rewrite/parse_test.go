package main

import (
	"io"
	"testing"
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		name          string
		args          []string
		number        uint16
		from, to, pad string
	}{
		{"shortest", []string{"-from", "a"}, 0, "a", "", ""},
		{"all", []string{"-from", "a", "-to", "bc", "-pad", " ", "-queue", "65535"}, 65535, "a", "bc", " "},
		{"escapes", []string{"-from", `\x00\xff\n`, "-to", `\u20ac€"`, "-pad", `\000`}, 0, "\x00\xff\n", "€€\"", "\x00"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, r, err := parse(test.args, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			if c.Number != test.number || !c.NoGSO {
				t.Errorf("queue %d, NoGSO %t, want %d, true", c.Number, c.NoGSO, test.number)
			}
			if got, want := []string{string(r.from), string(r.to), string(r.pad)},
				[]string{test.from, test.to, test.pad}; got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
				t.Errorf("from, to and pad %q, want %q", got, want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, args := range [][]string{
		nil,
		{"-from", ""},
		{"-from", "a", "b"},
		{"-from", `\x`},
		{"-from", "a", "-pad", "12"},
		{"-from", "a", "-queue", "65536"},
		{"-from", "a", "-queue", "all"},
	} {
		if _, _, err := parse(args, io.Discard); err == nil {
			t.Errorf("parse took %q", args)
		}
	}
}
