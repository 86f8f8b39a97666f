package main

import (
	"io"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	bad := network{
		seed: 7, delay: 80 * time.Millisecond, jitter: 20 * time.Millisecond,
		distribution: pareto, rate: 2_500_000, loss: 0.01, reorder: 0.255, duplicate: 1, corrupt: 0.5, correlation: 0.25, mark: 0x10,
	}
	for _, test := range []struct {
		name string
		args []string
		want options
	}{
		{"defaults", []string{"-seed", "1"}, options{network{seed: 1, mark: 0x6e65}, 0, 1000}},
		{"all", []string{"-seed", "7", "-delay", "80ms", "-jitter=20ms", "-loss", "1%", "-reorder", "25.5",
			"-rate", "2.5mbit", "-duplicate", "100", "-corrupt", "50%", "-correlation", "25%", "-distribution", "pareto", "-mark", "0x10", "-queue", "65535", "-limit", "65535"}, options{bad, 65535, 65535}},
		{"reorder", []string{"-seed", "1", "-reorder", "5%", "-jitter", "1ms"}, options{network{seed: 1, mark: 0x6e65, reorder: 0.05, jitter: time.Millisecond}, 0, 1000}},
		{"zeros", []string{"-seed", "1", "-reorder", "5%", "-delay", "0s", "-correlation", "10%", "-loss", "0", "-distribution", "normal", "-jitter", "0s"},
			options{network{seed: 1, mark: 0x6e65, reorder: 0.05, correlation: 0.1, distribution: normal}, 0, 1000}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got, err := parse(test.args, io.Discard); err != nil || got != test.want {
				t.Errorf("parse = %+v, %v, want %+v", got, err, test.want)
			}
		})
	}
}

// TestConfig checks that there is room for what the queue may hold: with a small limit
// for large packets, with a large one for many.
func TestConfig(t *testing.T) {
	for limit, want := range map[int]int{1: 8 << 20, 20: 8 << 20, 65535: 65535 * 2048} {
		c := options{limit: limit}.config()
		if c.QueueLength != limit || c.MaxUndecided != limit+1 || c.ReadBuffer != want {
			t.Errorf("limit %d: queue of %d, at most %d undecided, buffer of %d, want %d, %d, %d",
				limit, c.QueueLength, c.MaxUndecided, c.ReadBuffer, limit, limit+1, want)
		}
	}
}

func TestParseSeed(t *testing.T) {
	a, _ := parse(nil, io.Discard)
	b, _ := parse(nil, io.Discard)
	if a.seed == b.seed {
		t.Errorf("two programs have the seed %d", a.seed)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, args := range [][]string{
		{"argument"},
		{"-queue", "65536"},
		{"-delay", "-1ms"},
		{"-delay", "61m"},
		{"-jitter", "-1ms"},
		{"-jitter", "61m"},
		{"-loss", "101%"},
		{"-loss", "-1%"},
		{"-loss", "NaN"},
		{"-reorder", "some"},
		{"-rate", "1000"},
		{"-rate", "0.5bit"},
		{"-rate", "NaNbit"},
		{"-rate", "3000gbit"},
		{"-limit", "0"},
		{"-limit", "65536"},
		{"-seed", "-1"},
		{"-duplicate", "a"},
		{"-corrupt", "101%"},
		{"-correlation", "-1%"},
		{"-distribution", "cauchy"},
		{"-mark", "0"},
		{"-mark", "0x100000000"},
		{"-reorder", "5%", "-loss", "1%"},
		{"-distribution", "normal", "-delay", "1ms"},
		{"-correlation", "25%"},
	} {
		if _, err := parse(args, io.Discard); err == nil {
			t.Errorf("parse took %q", args)
		}
	}
}

func TestBitRate(t *testing.T) {
	for text, want := range map[string]bitRate{"1bit": 1, "64kbit": 64_000, "0.5mbit": 500_000, "1gbit": 1_000_000_000} {
		var got bitRate
		if err := got.Set(text); err != nil || got != want {
			t.Errorf("%s: %d, %v, want %d", text, got, err, want)
		}
	}
	rate, none := bitRate(8000), bitRate(0)
	if got := rate.time(500); got != time.Second/2 {
		t.Errorf("500 bytes at %v take %v, want 500ms", &rate, got)
	}
	if got := none.time(500); got != 0 {
		t.Errorf("500 bytes without a limit take %v, want 0", got)
	}
}
