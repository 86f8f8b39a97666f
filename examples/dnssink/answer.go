package main

import (
	"fmt"
	"slices"
	"strings"
)

// An answer is what becomes of a listed name.
type answer uint8

const (
	noName answer = iota // there is no such name
	zero                 // the address that leads nowhere
	drop                 // no answer at all
)

var answers = []string{noName: "nxdomain", zero: "zero", drop: "drop"}

func (a answer) String() string { return answers[a] }

// MarshalText is for flag.TextVar.
func (a answer) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText is for flag.TextVar.
func (a *answer) UnmarshalText(text []byte) error {
	i := slices.Index(answers, string(text))
	if i < 0 {
		return fmt.Errorf("want one of %s", strings.Join(answers, ", "))
	}
	*a = answer(i)
	return nil
}
