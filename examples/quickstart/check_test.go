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
	good := queue.Stats{Received: 5, Decided: 5, Accepted: 4, Replaced: 1, Dropped: 1}
	if c := ledger(good, 5); c.err != nil {
		t.Error(c.err)
	}
	for name, spoil := range map[string]func(*queue.Stats){
		"received": func(s *queue.Stats) { s.Received-- },
		"decided":  func(s *queue.Stats) { s.Decided-- },
		"dropped":  func(s *queue.Stats) { s.Dropped++ },
		"replaced": func(s *queue.Stats) { s.Replaced-- },
		"refused":  func(s *queue.Stats) { s.Refused++ },
	} {
		s := good
		spoil(&s)
		if c := ledger(s, 5); c.err == nil {
			t.Errorf("%s: no error for %+v", name, s)
		}
	}
}
