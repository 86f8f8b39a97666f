package main

// A teller prints lines about packets: at most limit in each period, and then
// the number of the others. So a flood of packets does not cause a flood of
// lines.
type teller struct {
	printf func(format string, args ...any)
	limit  int // lines in a period
	told   int // in this one
	left   int // lines not printed in this period
}

// tell prints the line, unless there were enough of them. That a line is
// printed is what makes its arguments worth computing.
func (t *teller) tell(format string, args ...any) {
	if t.told >= t.limit {
		t.left++
		return
	}
	t.told++
	t.printf(format, args...)
}

// next starts another period.
func (t *teller) next() {
	if t.left > 0 && t.limit > 0 {
		t.printf("... %d more not shown\n", t.left)
	}
	t.told, t.left = 0, 0
}
