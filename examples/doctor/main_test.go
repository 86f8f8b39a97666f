package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/examples/internal/cli"
	"github.com/ipqueue/ipqueue/queue/diagnose"
)

func TestShow(t *testing.T) {
	r := diagnose.Report{Findings: []diagnose.Finding{
		{Severity: diagnose.Good, Subject: diagnose.AboutModule, Text: "It is there"},
		{Severity: diagnose.Unseen, Subject: diagnose.AboutRules, Text: "It hides", Err: errors.New("not yours")},
		{Severity: diagnose.Fault, Subject: diagnose.AboutPrivilege, Text: "It is missing", Advice: "get it"},
	}}
	const good = "good      Module     It is there.\n"
	const rest = `not seen  Rules      It hides: not yours.
FAULT     Privilege  It is missing.
                     -> get it

Packets cannot flow: 1 FAULT, 1 not seen.
`
	for quiet, want := range map[bool]string{false: good + rest, true: rest} {
		var b strings.Builder
		if err := show(&b, cli.Screen{}, r, quiet); b.String() != want || err != nil {
			t.Errorf("quiet %t: got %v\n%s, want\n%s", quiet, err, &b, want)
		}
	}
}

func TestShowOnScreen(t *testing.T) {
	r := diagnose.Report{Findings: []diagnose.Finding{
		{Severity: diagnose.Good, Subject: diagnose.AboutRules, Text: "A rule sends packets to this queue"},
		{Severity: diagnose.Unseen, Subject: diagnose.AboutGSO, Text: "It hides", Advice: "look for it somewhere else"},
	}}
	const want = "\x1b[32mgood\x1b[m      Rules  A rule sends packets\n" +
		"                 to this queue.\n" +
		"not seen  GSO    It hides.\n" +
		"                 -> look for it\n" +
		"                 somewhere else\n" +
		"\nPackets can flow: 1 not seen.\n"
	var b strings.Builder
	if err := show(&b, cli.Screen{Width: 37, Color: true}, r, false); b.String() != want || err != nil {
		t.Errorf("got %v\n%s, want\n%s", err, &b, want)
	}
}

func TestResult(t *testing.T) {
	if got, want := result(diagnose.Report{}), "Packets can flow."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
