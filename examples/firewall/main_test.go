package main

import (
	"io"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/internal/testutil"
	"github.com/ipqueue/ipqueue/queue"
)

func TestMain(m *testing.M) { testutil.Main(m) }

func writePolicy(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func parseLine(args string) (options, error) { return parse(strings.Fields(args), io.Discard) }

func TestParse(t *testing.T) {
	const want = 128
	for _, test := range []struct {
		args string
		want options
		says string // "" means no error
	}{
		{"-policy file", options{Config: queue.Config{Mode: queue.Range(want)}, accepted: mark{1, 1}, rejected: mark{2, 2}, file: "file", log: 10}, ""},
		{"-mark 0 -reject 0 -6 -watch -log 0 -listen :1 -policy file",
			options{Config: queue.Config{Mode: queue.Range(want), Backend: queue.IPQueue, Family: queue.IPv6}, file: "file", watch: true, listen: ":1"}, ""},
		{"-mark 0x10/0xf0 -reject 0x20/0xf0 -policy file",
			options{Config: queue.Config{Mode: queue.Range(want)}, accepted: mark{16, 0xf0}, rejected: mark{32, 0xf0}, file: "file", log: 10}, ""},
		{"", options{}, "want -policy"},
		{"-policy file more", options{}, `unexpected argument "more"`},
		{"-queue 65536", options{}, "65536"},
		{"-mark -1", options{}, "want a number of 32 bits"},
		{"-mark 2 -policy file", options{}, "rules cannot distinguish -mark 0x2/0x2 and -reject 0x2/0x2"},
		{"-log -1 -policy file", options{}, "want a number from 0 to 65535"},
	} {
		o, err := parseLine(test.args)
		if test.says == "" && (err != nil || !reflect.DeepEqual(o, test.want)) {
			t.Errorf("parse(%s) = %+v, %v, want %+v", test.args, o, err, test.want)
		}
		if test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
			t.Errorf("parse(%s) = %v, want %s", test.args, err, test.says)
		}
	}
}

func TestRejectNeedsMark(t *testing.T) {
	o := standard()
	o.file, o.rejected = t.TempDir()+"/policy", mark{}
	writePolicy(t, o.file, "default reject")
	if err := run(t.Context(), o, nil, io.Discard); err == nil || !strings.Contains(err.Error(), "reject needs a mark, and -reject is 0") {
		t.Errorf("run = %v, want that reject needs a mark", err)
	}
}

// TestNoFile checks that errors about the file itself contain no line number.
func TestNoFile(t *testing.T) {
	dir := t.TempDir()
	for file, want := range map[string]string{dir + "/none": "open " + dir + "/none: ", dir: "read " + dir + ": "} {
		if _, err := loadPolicy(file); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("loadPolicy(%s) = %v, want %s", file, err, want)
		}
	}
}
