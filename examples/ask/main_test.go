package main

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/testutil"
	"github.com/ipqueue/ipqueue/queue"
)

func TestMain(m *testing.M) { testutil.Main(m) }

func parseLine(args string) (options, error) { return parse(strings.Fields(args), io.Discard) }

func TestParse(t *testing.T) {
	for _, test := range []struct {
		args string
		want options
		says string // "" means no error
	}{
		{"", options{0, 30 * time.Second, queue.Drop}, ""},
		{"-queue 65535 -wait 1m30s -default accept", options{65535, 90 * time.Second, queue.Accept}, ""},
		{"-default drop", options{0, 30 * time.Second, queue.Drop}, ""},
		{"-queue 65536", options{}, "want a number from 0 to 65535"},
		{"-wait 0", options{}, "must be above 0"},
		{"-wait -1s", options{}, "must be above 0"},
		{"-default reject", options{}, "want drop or accept"},
		{"more", options{}, `unexpected argument "more"`},
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
