package main

import (
	"fmt"
	"slices"
	"testing"
)

// TestTeller checks that at most limit lines are printed in a period, and then
// the number of the others.
func TestTeller(t *testing.T) {
	var got []string
	l := teller{limit: 2, printf: func(format string, args ...any) { got = append(got, fmt.Sprintf(format, args...)) }}
	for i := range 5000 {
		l.tell("%d\n", i)
	}
	l.next()
	l.next()
	l.tell("last\n")
	l.next()
	if want := []string{"0\n", "1\n", "... 4998 more not shown\n", "last\n"}; !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
	silent := teller{printf: func(string, ...any) { t.Error("told, although the limit is 0") }}
	silent.tell("anything")
	silent.next()
}
