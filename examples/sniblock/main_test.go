package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

func parseLine(args string) (options, error) {
	return parse(strings.Fields(args), io.Discard)
}

// optionsOf parses a command line, which must be valid.
func optionsOf(t testing.TB, args string) options {
	t.Helper()
	o, err := parseLine(args)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// listFile returns the name of a new file with the content.
func listFile(t testing.TB, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestParse(t *testing.T) {
	o := optionsOf(t, "-queue 65535 -mark 0x10 -reset 2 -quic drop -ech refuse -v a.example .b.example")
	if want := (marks{16, 2}); o.queue != 65535 || o.marks != want || o.quic != dropQUIC || o.ech != refuseECH || !o.verbose {
		t.Errorf("parse = %+v", o)
	}
	list, allow := listFile(t, "||ads.example^\n0.0.0.0 x.example\n||z.example^$third-party\n"), listFile(t, "good.ads.example\n")
	r := optionsOf(t, "-list "+list+" -allow "+allow+" -skip a.example").lists.Load()
	if r.Err != nil || len(r.Skipped) != 1 {
		t.Fatalf("%v, skipped %v, want one line skipped", r.Err, r.Skipped)
	}
	for name, want := range map[string]bool{"a.example": true, "x.example": true, "y.ads.example": true, "good.ads.example": false, "b.example": false} {
		if got := r.Set.Has(name); got != want {
			t.Errorf("%s is listed: %t, want %t", name, got, want)
		}
	}
}

func TestParseComplains(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"", "no names"},
		{"-queue 65536 a.example", "want a number from 0 to 65535"},
		{"-mark 0x100000000 a.example", "want a number of 32 bits"},
		{"-reset x a.example", "want a number of 32 bits"},
		{"-mark 1 -reset 1 a.example", "no bit in common"},
		{"-mark 3 -reset 1 a.example", "no bit in common"},
		{"-quic maybe a.example", "want judge or drop or pass"},
		{"-ech maybe a.example", "want allow or refuse"},
		{"a..b", `"a..b"`},
	} {
		if _, err := parseLine(test.args); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("parse(%s) = %v, want %s", test.args, err, test.want)
		}
	}
}

func TestReadComplains(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"-list " + listFile(t, "# nothing\n"), "the lists block no name"},
		{"-list /nowhere/list", "/nowhere/list"},
		{"-list " + listFile(t, "a.example\n/[a-z]+/\n"), "; use -skip to ignore such lines"},
		{"-allow /nowhere/list a.example", "/nowhere/list"},
	} {
		if err := optionsOf(t, test.args).lists.Load().Err; err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("read(%s) = %v, want %s", test.args, err, test.want)
		}
	}
}
