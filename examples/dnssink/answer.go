package main

import (
	"fmt"
	"slices"
	"strings"
)

// An answer is how the program answers for a listed name.
type answer uint8

const (
	noName answer = iota // the name does not exist
	zero                 // the name has the address 0.0.0.0 or ::
	drop                 // no response
)

var answers = []string{noName: "nxdomain", zero: "zero", drop: "drop"}

func (a answer) String() string { return answers[a] }

// MarshalText implements encoding.TextMarshaler, for flag.TextVar.
func (a answer) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler, for flag.TextVar.
func (a *answer) UnmarshalText(text []byte) error {
	i := slices.Index(answers, string(text))
	if i < 0 {
		return fmt.Errorf("want one of %s", strings.Join(answers, ", "))
	}
	*a = answer(i)
	return nil
}
