package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ipqueue/ipqueue/queue"
)

// A check is the result of comparing one thing with what was expected.
type check struct {
	name string
	err  error  // what went wrong
	text string // what went right, or why it could not be tried
	idle bool   // it could not be tried
}

// An outcome contains the results of the traffic.
type outcome struct {
	ping  error
	texts []string // texts received over UDP
	udp   error
	text  string // text received over TCP
	tcp   error

	refusal error // why the cue was not replaced
}

// checks compares o with what policy should have done. If the last text has
// arrived, the texts before it that did not arrive were dropped.
func (o outcome) checks() []check {
	return []check{
		{name: "ping", err: o.ping, text: "the echo reply came"},
		{name: "accept", err: o.arrived(plain), text: fmt.Sprintf("%q arrived", plain)},
		{name: "drop", err: errors.Join(o.absent(secret), o.arrived(goodbye)), text: fmt.Sprintf("%q did not arrive", secret)},
		o.replace(),
		{name: "tcp", err: o.echoed(), text: fmt.Sprintf("%q went there and back", greeting)},
	}
}

func (o outcome) replace() check {
	if o.refusal != nil {
		return check{name: "replace", err: o.arrived(cue), text: "not shown: " + o.refusal.Error(), idle: true}
	}
	return check{
		name: "replace", err: errors.Join(o.arrived(line), o.absent(cue)),
		text: fmt.Sprintf("%q arrived as %q", cue, line),
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

// ledger checks that each packet numbered by the kernel was received, and got
// one verdict.
func (o outcome) ledger(s queue.Stats) check {
	replaced := uint64(1)
	if o.refusal != nil {
		replaced = 0
	}
	numbered := uint64(s.Kernel.LastID)
	if s.Kernel.Err != nil {
		numbered = s.Received + s.Missed
	}
	got := [...]uint64{s.Received, s.Decided, s.Dropped, s.Replaced, s.Refused}
	want := [...]uint64{numbered, numbered, 1, replaced, 0}
	c := check{name: "count", text: fmt.Sprintf("each of %d packets was received and got one verdict", numbered)}
	if got != want {
		c.err = fmt.Errorf("received, decided, dropped, replaced, refused are %d, want %d", got, want)
	}
	return c
}

// failures returns an error if a check failed.
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
