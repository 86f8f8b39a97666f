package main

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

func parseLine(args ...string) (options, error) { return parse(args, io.Discard) }

// writeList returns the name of a new file that contains the text.
func writeList(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestParse(t *testing.T) {
	list := writeList(t, "one.example\n0.0.0.0 two.example\n||four.example^$third-party\n")
	allow := writeList(t, "good.example\n")
	o, err := parseLine("-queue", "65535", "-answer", "zero", "-list", list, "-allow", allow, "-skip", "-unreadable", "accept", ".three.example")
	if err != nil {
		t.Fatal(err)
	}
	if o.queue != 65535 || o.answer != zero || !o.lenient {
		t.Errorf("queue %d, answer %v, lenient %t, want 65535, zero, true", o.queue, o.answer, o.lenient)
	}
	r := o.lists.Load()
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	if got, want := r.Set.String(), "3 names block, 1 exception"; got != want || len(r.Skipped) != 1 {
		t.Errorf("%s, skipped %v, want %s and one line skipped", got, r.Skipped, want)
	}
}

func TestParseComplains(t *testing.T) {
	list := writeList(t, "one.example\n||two.example^$third-party\n")
	for _, test := range []struct{ args, want string }{
		{"", "no names to block"},
		{"-queue 65536 a.example", `invalid value "65536" for flag -queue: want a number from 0 to 65535 (see dnssink -h)`},
		{"-queue all a.example", "want a number from 0 to 65535"},
		{"-answer maybe a.example", "want one of nxdomain, zero, drop"},
		{"-unreadable maybe a.example", "want drop or accept"},
		{"-list /nowhere", "/nowhere"},
		{"-skip -list /nowhere", "/nowhere"},
		{"-allow /nowhere a.example", "/nowhere"},
		{"-list " + list, list + ":2: the option $third-party depends on more than the name"},
		{"-allow " + list + " a.example", list + ":2: "},
		{"a..b", `"a..b" is not a name`},
		{"example", `"example" has no dot`},
		{"-block a.example", "not defined: -block (see dnssink -h)"},
	} {
		o, err := parseLine(strings.Fields(test.args)...)
		if err == nil {
			err = o.lists.Load().Err
		}
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("parse(%s) = %v, want %s", test.args, err, test.want)
		}
	}
}

func TestHelp(t *testing.T) {
	var help bytes.Buffer
	_, err := parse([]string{"-h"}, &help)
	if !errors.Is(err, flag.ErrHelp) || !strings.HasPrefix(help.String(), "Usage: dnssink ") {
		t.Errorf("parse(-h) = %v and prints %q", err, help.String())
	}
	for _, name := range []string{"-list", "-allow", "-answer", "-unreadable", "-skip", "-queue"} {
		if !slices.Contains(strings.Fields(help.String()), name) {
			t.Errorf("the help does not mention %s", name)
		}
	}
}
