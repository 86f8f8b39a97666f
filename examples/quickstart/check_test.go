package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/queue"
)

func TestChecks(t *testing.T) {
	broken := errors.New("broken")
	good := outcome{texts: []string{plain, line, goodbye}, text: greeting}
	for _, test := range []struct {
		name  string
		spoil func(*outcome)
		want  string // the checks that fail
	}{
		{"all well", func(o *outcome) {}, ""},
		{"ping", func(o *outcome) { o.ping = broken }, "ping"},
		{"udp", func(o *outcome) { o.texts, o.udp = []string{line}, broken }, "accept drop"},
		{"tcp", func(o *outcome) { o.tcp = broken }, "tcp"},
		{"tcp text", func(o *outcome) { o.text = "hell" }, "tcp"},
		{"not replaced", func(o *outcome) { o.texts = []string{plain, cue, goodbye} }, "replace"},
		{"refused", func(o *outcome) { o.texts, o.refusal = []string{plain, cue, goodbye}, queue.ErrUnsupported }, ""},
		{"refused, but replaced", func(o *outcome) { o.refusal = queue.ErrUnsupported }, "replace"},
		{"both lines", func(o *outcome) { o.texts = []string{plain, cue, line, goodbye} }, "replace"},
	} {
		o := good
		test.spoil(&o)
		var names []string
		for _, c := range o.checks() {
			if c.err != nil {
				names = append(names, c.name)
			}
		}
		if failed := strings.Join(names, " "); failed != test.want {
			t.Errorf("%s: checks %q fail, want %q", test.name, failed, test.want)
		}
	}
}

func TestLedger(t *testing.T) {
	good := queue.Stats{
		Received: 5, Decided: 5, Accepted: 4, Replaced: 1, Dropped: 1,
		Kernel: queue.KernelStats{LastID: 5},
	}
	unknown := queue.KernelStats{Err: errors.New("no row")}
	for _, test := range []struct {
		name  string
		spoil func(*queue.Stats)
		ok    bool
	}{
		{"all well", func(s *queue.Stats) {}, true},
		{"kernel does not tell", func(s *queue.Stats) { s.Kernel = unknown }, true},
		{"missed", func(s *queue.Stats) { s.Kernel = unknown; s.Missed++ }, false},
		{"not received", func(s *queue.Stats) { s.Kernel.LastID++ }, false},
		{"not decided", func(s *queue.Stats) { s.Decided-- }, false},
		{"dropped", func(s *queue.Stats) { s.Dropped++ }, false},
		{"not replaced", func(s *queue.Stats) { s.Replaced-- }, false},
		{"refused", func(s *queue.Stats) { s.Refused++ }, false},
	} {
		s := good
		test.spoil(&s)
		if c := (outcome{}).ledger(s); (c.err == nil) != test.ok {
			t.Errorf("%s: ledger fails with %v for %+v", test.name, c.err, s)
		}
	}
}
