package main

import (
	"errors"
	"flag"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseOptions(t *testing.T) {
	for _, test := range []struct {
		args     []string
		rounds   int
		duration time.Duration
		sizes    []int
		dir      string
	}{
		{nil, 11, 400 * time.Millisecond, []int{64, 512, 1400}, "results"},
		{[]string{"-quick"}, 1, 150 * time.Millisecond, []int{64, 1400}, ""},
		{[]string{"-quick", "-rounds", "2", "-time", "1s", "-sizes", "9", "-o", "d"}, 2, time.Second, []int{9}, "d"},
		{[]string{"-sizes", "100, 20,100"}, 11, 400 * time.Millisecond, []int{20, 100}, "results"},
		{[]string{"-run", "udp"}, 11, 400 * time.Millisecond, []int{64, 512, 1400}, ""},
	} {
		o, err := parseOptions(test.args, io.Discard)
		if err != nil {
			t.Errorf("%q: %v", test.args, err)
			continue
		}
		if o.rounds != test.rounds || o.duration != test.duration || !slices.Equal(o.sizes, test.sizes) || o.dir != test.dir {
			t.Errorf("%q gives %+v, want %+v", test.args, o, test)
		}
	}
}

func TestParseOptionsRefuses(t *testing.T) {
	for _, args := range [][]string{
		{"-rounds", "0"}, {"-time", "-1s"}, {"-consumers", "0"}, {"more"},
		{"-sizes", ""}, {"-sizes", "64,x"}, {"-sizes", "0"}, {"-sizes", "65508"}, {"-run", "("},
	} {
		if o, err := parseOptions(args, io.Discard); err == nil {
			t.Errorf("%q gives %+v, want an error", args, o)
		}
	}
}

func TestParseOptionsHelps(t *testing.T) {
	var b strings.Builder
	if _, err := parseOptions([]string{"-help"}, &b); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-help gives %v, want flag.ErrHelp", err)
	}
	for _, want := range []string{usage, "-rounds", "-quick"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the help lacks %q:\n%s", want, &b)
		}
	}
}
