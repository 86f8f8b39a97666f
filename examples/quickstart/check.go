package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ipqueue/ipqueue/queue"
)

// A check is one thing expected.
type check struct {
	name string
	err  error  // what went wrong
	text string // what went right
}

// An outcome is what came of the traffic.
type outcome struct {
	ping  error
	texts []string // heard by UDP
	udp   error
	text  string // heard by TCP
	tcp   error
}

// checks compares o with what policy should have made of it. That the last
// text has arrived shows that those before it would have.
func (o outcome) checks() []check {
	return []check{
		{"ping", o.ping, "the echo reply came"},
		{"accept", o.arrived(plain), fmt.Sprintf("%q arrived", plain)},
		{"drop", errors.Join(o.absent(secret), o.arrived(goodbye)), fmt.Sprintf("%q did not arrive", secret)},
		{"replace", errors.Join(o.arrived(line), o.absent(cue)), fmt.Sprintf("%q arrived as %q", cue, line)},
		{"tcp", o.echoed(), fmt.Sprintf("%q went there and back", greeting)},
	}
}

func (o outcome) arrived(text string) error {
	if slices.Contains(o.texts, text) {
		return nil
	}
	return errors.Join(fmt.Errorf("%q did not arrive", text), o.udp)
}

func (o outcome) absent(text string) error {
	if slices.Contains(o.texts, text) {
		return fmt.Errorf("%q arrived", text)
	}
	return nil
}

func (o outcome) echoed() error {
	if o.tcp == nil && o.text != greeting {
		return fmt.Errorf("%q came back as %q", greeting, o.text)
	}
	return o.tcp
}

// ledger checks that each packet to which the kernel gave a number was
// received, and got one verdict.
func ledger(s queue.Stats) check {
	numbered := uint64(s.Kernel.LastID)
	if s.Kernel.Err != nil {
		numbered = s.Received + s.Missed
	}
	got := [...]uint64{s.Received, s.Decided, s.Dropped, s.Replaced, s.Refused}
	want := [...]uint64{numbered, numbered, 1, 1, 0}
	c := check{name: "count", text: fmt.Sprintf("each of %d packets was received and got one verdict", numbered)}
	if got != want {
		c.err = fmt.Errorf("received, decided, dropped, replaced, refused are %d, want %d", got, want)
	}
	return c
}

// failures is nil if all went right.
func failures(checks []check) error {
	var failed []string
	for _, c := range checks {
		if c.err != nil {
			failed = append(failed, c.name)
		}
	}
	if failed == nil {
		return nil
	}
	return fmt.Errorf("%d of %d checks failed: %s", len(failed), len(checks), strings.Join(failed, ", "))
}
