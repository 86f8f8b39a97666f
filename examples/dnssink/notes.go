package main

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// Notes prints lines on a goroutine of its own: if the output is slow, packets do
// not wait for it, and lines are lost instead.
type notes struct {
	lines chan string
	done  chan error // the first error of the output
	lost  int
}

func newNotes(out io.Writer) *notes {
	const backlog = 1024
	n := &notes{lines: make(chan string, backlog), done: make(chan error, 1)}
	go func() {
		var first error
		for line := range n.lines {
			if _, err := io.WriteString(out, line); first == nil {
				first = err
			}
		}
		n.done <- first
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

// close prints what is left, but waits at most a second. It returns an error if
// something could not be printed.
func (n *notes) close() error {
	const patience = time.Second
	if n.lost > 0 {
		n.printf("dnssink: the output is too slow, lines not printed: %d\n", n.lost)
	}
	close(n.lines)
	select {
	case err := <-n.done:
		return err
	case <-time.After(patience):
		return errors.New("the output is stuck: not all lines were printed")
	}
}
