package main

import (
	"fmt"
	"io"
	"time"
)

// Notes prints lines on a goroutine of its own: if the output is slow, packets do
// not wait for it, and lines are lost instead.
type notes struct {
	lines chan string
	done  chan struct{}
	lost  int
}

func newNotes(out io.Writer) *notes {
	const backlog = 1024
	n := &notes{lines: make(chan string, backlog), done: make(chan struct{})}
	go func() {
		defer close(n.done)
		for line := range n.lines {
			io.WriteString(out, line) // there is nobody to report an error to
		}
	}()
	return n
}

// printf never waits.
func (n *notes) printf(format string, args ...any) {
	select {
	case n.lines <- fmt.Sprintf(format, args...):
	default:
		n.lost++
	}
}

// close prints what is left, for as long as the output takes it.
func (n *notes) close() {
	const patience = time.Second
	if n.lost > 0 {
		n.printf("dnssink: the output is too slow, lines not printed: %d\n", n.lost)
	}
	close(n.lines)
	select {
	case <-n.done:
	case <-time.After(patience):
	}
}
