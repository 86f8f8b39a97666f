package main

import (
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/queue"
)

func TestParseAnswer(t *testing.T) {
	for line, want := range map[string]answer{
		"y": {queue.Accept, false}, "yes": {queue.Accept, false},
		"a": {queue.Accept, true}, " Always ": {queue.Accept, true},
		"N": {queue.Drop, false}, "no\r": {queue.Drop, false},
		"b": {queue.Drop, true}, "block": {queue.Drop, true},
	} {
		if got, err := parseAnswer(line); err != nil || got != want {
			t.Errorf("parseAnswer(%q) = %v, %v, want %v", line, got, err, want)
		}
	}
}

func TestParseAnswerComplains(t *testing.T) {
	for _, line := range []string{"", "ye", "yy", "never", "y n"} {
		if got, err := parseAnswer(line); err == nil || !strings.Contains(err.Error(), "want yes, always, no or block") {
			t.Errorf("parseAnswer(%q) = %v, %v, want an error", line, got, err)
		}
	}
}
