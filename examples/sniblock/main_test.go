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
	flags := flag.NewFlagSet("sniblock", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return parse(flags, strings.Fields(args))
}

func TestParse(t *testing.T) {
	o, err := parseLine("-queue 65535 -mark 0x10 -reset 2 a.example .b.example")
	if want := (marks{16, 2}); err != nil || o.queue != 65535 || o.marks != want || o.filter.names.Len() != 2 {
		t.Errorf("parse = queue %d, %+v, %d names, %v, want 65535, %+v, 2", o.queue, o.marks, o.filter.names.Len(), err, want)
	}
}

func TestParseComplains(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"", "no names"},
		{"-queue 65536 a.example", "value out of range"},
		{"-mark 0x100000000 a.example", "value out of range"},
		{"-reset x a.example", "invalid syntax"},
		{"-mark 1 -reset 1 a.example", "must differ"},
		{"a..b", `"a..b" is no name`},
	} {
		if _, err := parseLine(test.args); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("parse(%s) = %v, want %s", test.args, err, test.want)
		}
	}
}
