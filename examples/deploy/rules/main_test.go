//go:build linux

package main

import (
	"io"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, test := range []struct{ args, says string }{
		{"", ""}, {"-hook input,forward,output -queue 7 -bypass", ""}, {"-remove", ""},
		{"-hook prerouting", `want input, forward or output, not "prerouting"`},
		{"-hook forward,", `want input, forward or output, not ""`},
		{"-queue 65536", "want a number from 0 to 65535"},
		{"more", `unexpected argument "more"`},
	} {
		o, err := parse(strings.Fields(test.args), io.Discard)
		if test.says == "" && (err != nil || len(o.hooks) == 0) {
			t.Errorf("parse(%s) = %+v, %v, want a hook", test.args, o, err)
		}
		if test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
			t.Errorf("parse(%s) = %v, want %s", test.args, err, test.says)
		}
	}
}
