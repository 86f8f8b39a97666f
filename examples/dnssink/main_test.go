package main

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

func parseLine(args ...string) (options, error) {
	flags := flag.NewFlagSet("dnssink", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return parse(flags, args)
}

func TestParse(t *testing.T) {
	list := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(list, []byte("one.example\n0.0.0.0 two.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := parseLine("-queue", "65535", "-answer", "zero", "-list", list, ".three.example")
	if err != nil {
		t.Fatal(err)
	}
	if o.queue != 65535 || o.sink.answer != zero || o.sink.names.Len() != 3 {
		t.Errorf("queue %d, answer %v, %d names, want 65535, zero, 3", o.queue, o.sink.answer, o.sink.names.Len())
	}
}

func TestParseComplains(t *testing.T) {
	list := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(list, []byte("one.example\n..\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ args, want string }{
		{"", "no names"},
		{"-queue 65536 a.example", "value out of range"},
		{"-queue all a.example", "invalid syntax"},
		{"-answer maybe a.example", "want one of nxdomain, zero, drop"},
		{"-list /nowhere", "/nowhere"},
		{"-list " + list, ":2: \".\" is no name"},
		{"a..b", `"a..b" is no name`},
		{"-block a.example", "not defined"},
	} {
		if _, err := parseLine(strings.Fields(test.args)...); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("parse(%s) = %v, want %s", test.args, err, test.want)
		}
	}
}
