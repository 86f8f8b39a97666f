package main

import (
	"bytes"
	"errors"
	"flag"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

func TestParse(t *testing.T) {
	for _, test := range []struct {
		args string
		want options
		says string // "" means no error
	}{
		{"", options{}, ""},
		{"-queue 0", options{true, 0}, ""},
		{"-queue 65535", options{true, 65535}, ""},
		{"-queue=7", options{true, 7}, ""},
		{"-queue 65536", options{}, "want a number from 0 to 65535"},
		{"-queue -1", options{}, "want a number from 0 to 65535"},
		{"-queue all", options{}, "want a number from 0 to 65535"},
		{"-queue", options{}, "flag needs an argument"},
		{"-queues 1", options{}, "not defined: -queues"},
		{"7", options{}, `unexpected argument "7"`},
	} {
		var help bytes.Buffer
		got, err := parse(strings.Fields(test.args), &help)
		if got != test.want || (err == nil) != (test.says == "") {
			t.Errorf("parse(%q) = %+v, %v, want %+v", test.args, got, err, test.want)
		}
		if err != nil && !strings.Contains(err.Error(), test.says) || help.Len() > 0 {
			t.Errorf("parse(%q) = %v and says %q, want %q alone", test.args, err, &help, test.says)
		}
	}
}

func TestParseHelp(t *testing.T) {
	var help bytes.Buffer
	if _, err := parse([]string{"-h"}, &help); !errors.Is(err, flag.ErrHelp) || !strings.Contains(help.String(), "-queue N") {
		t.Errorf("parse(-h) = %v and says %q, want help", err, &help)
	}
}
