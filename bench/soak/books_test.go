package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/queue"
)

// balanced returns books whose counts agree: 100 packets, and everything that may
// happen to them.
func balanced() books {
	return books{
		stats: queue.Stats{
			Received: 100, Decided: 70, Expired: 15, Overflowed: 10, Abandoned: 5,
			Accepted: 55, Dropped: 30, Repeated: 8, Requeued: 7, Replaced: 4, Missed: 20,
			Kernel: queue.KernelStats{LastID: 123, Pending: 5, SocketDropped: 21},
		},
		given:  tally{accepted: 40, dropped: 15, repeated: 8, requeued: 7, replaced: 4},
		passed: passed{accepted: 40, repeated: 8, unasked: 15},
	}
}

func TestAudit(t *testing.T) {
	for _, test := range []struct {
		name    string
		change  func(*books)
		problem string // "" if there is none
	}{
		{"balanced", func(*books) {}, ""},
		{"received and forgotten", func(b *books) { b.stats.Received++ }, "Received = "},
		{"undecided", func(b *books) { b.stats.Undecided, b.stats.Abandoned = 1, 4 }, "Undecided after Close: 1"},
		{"damaged", func(b *books) { b.stats.Damaged, b.stats.Expired = 1, 14 }, "Damaged: 1"},
		{"gone", func(b *books) { b.stats.Gone, b.stats.Expired = 1, 14 }, "Gone: 1"},
		{"malformed", func(b *books) { b.stats.Malformed = 1 }, "Malformed: 1"},
		{"foreign", func(b *books) { b.stats.Foreign = 1 }, "Foreign: 1"},
		{"refused", func(b *books) { b.stats.Refused = 1 }, "Refused: 1"},
		{"no action", func(b *books) { b.stats.Dropped-- }, "packets by their actions: 99, want 100"},
		{"more ids than the kernel gave", func(b *books) { b.stats.Kernel.LastID = 119 }, "last id: 120, want at most 119"},
		{"no row", func(b *books) { b.stats.Kernel.Err = errors.New("lost") }, "Kernel.Err: lost"},
		{"a verdict not sent", func(b *books) { b.given.dropped++ }, "Decided against the verdicts given: 70, want 71"},
		{"repeated by itself", func(b *books) { b.given.repeated--; b.given.dropped++ }, "Repeated: 8, want 7"},
		{"requeued by itself", func(b *books) { b.given.requeued--; b.given.dropped++ }, "Requeued: 7, want 6"},
		{"not replaced", func(b *books) { b.stats.Replaced-- }, "Replaced: 3, want 4"},
		{"accepted and gone", func(b *books) { b.passed.accepted-- }, "mark of Accept: 39, want 40"},
		{"repeated and gone", func(b *books) { b.passed.repeated-- }, "mark of Repeat: 7, want 8"},
		{"passed by itself", func(b *books) { b.passed.unasked++ }, "without mark: 16, want 15"},
		{"passed by itself, leniently", func(b *books) { b.passed.unasked++; b.lenient = true }, ""},
		{"not passed, leniently", func(b *books) { b.passed.unasked--; b.lenient = true }, "15, want at most 14"},
	} {
		b := balanced()
		test.change(&b)
		wantProblem(t, test.name, b.audit(), test.problem)
	}
}

func TestSettled(t *testing.T) {
	still := queue.Stats{Received: 100, Missed: 20, Kernel: queue.KernelStats{LastID: 123, SocketDropped: 23}}
	for _, test := range []struct {
		name     string
		change   func(*queue.Stats)
		failOpen bool
		problem  string
	}{
		{"settled", func(*queue.Stats) {}, false, ""},
		{"pending", func(s *queue.Stats) { s.Kernel.Pending = 1 }, false, "Kernel.Pending: 1"},
		{"undecided", func(s *queue.Stats) { s.Undecided = 1 }, false, "Undecided: 1"},
		{"an id not accounted for", func(s *queue.Stats) { s.Kernel.LastID++ }, false, "24, want 23"},
		{"accepted by the kernel", func(s *queue.Stats) { s.Kernel.LastID++ }, true, ""},
		{"missed and received", func(s *queue.Stats) { s.Missed = 24 }, true, "24, want at most 23"},
	} {
		s := still
		test.change(&s)
		wantProblem(t, test.name, settled(s, test.failOpen), test.problem)
	}
}

func wantProblem(t *testing.T, name string, got problems, want string) {
	t.Helper()
	if want == "" && len(got) > 0 {
		t.Errorf("%s: %q, want no problems", name, got)
	}
	if !strings.Contains(got.Error(), want) {
		t.Errorf("%s: %q, want %q among them", name, got, want)
	}
}

func TestTally(t *testing.T) {
	var got tally
	for _, v := range []queue.Verdict{
		{Action: queue.Accept}, {Action: queue.Accept, Payload: []byte{}}, {Action: queue.Drop},
		{Action: queue.Repeat}, {Action: queue.Requeue}, {Action: queue.Requeue},
	} {
		got.add(v)
	}
	want := tally{accepted: 2, dropped: 1, repeated: 1, requeued: 2, replaced: 1}
	if got != want || got.sum() != 6 {
		t.Errorf("tally %+v of %d, want %+v of 6", got, got.sum(), want)
	}
}
