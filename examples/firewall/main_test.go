package main

import (
	"flag"
	"io"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

func parseLine(args string) (options, error) {
	flags := flag.NewFlagSet("firewall", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return parse(flags, strings.Fields(args))
}

func TestParse(t *testing.T) {
	for _, test := range []struct {
		args string
		want options
		says string // "" for no error
	}{
		{"-policy file", options{0, 1, "file"}, ""},
		{"-queue 65535 -mark 0 -policy file", options{65535, 0, "file"}, ""},
		{"-mark 0xffffffff -policy file", options{0, 1<<32 - 1, "file"}, ""},
		{"", options{}, "want -policy"},
		{"-policy file more", options{}, "nothing else"},
		{"-queue 65536", options{}, "value out of range"},
		{"-mark -1", options{}, "invalid syntax"},
	} {
		o, err := parseLine(test.args)
		if test.says == "" && (err != nil || o != test.want) {
			t.Errorf("parse(%s) = %+v, %v, want %+v", test.args, o, err, test.want)
		}
		if test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
			t.Errorf("parse(%s) = %v, want %s", test.args, err, test.says)
		}
	}
}
