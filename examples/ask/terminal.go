package main

import (
	"bufio"
	"fmt"
	"io"
)

// A terminal asks a person one question at a time. Neither a slow person nor
// blocked output delays the loop over the packets.
type terminal struct {
	texts   chan text
	answers chan answer // closed when the input has ended
	done    chan struct{}
	err     error // the first of the output, once done is closed
}

// A text is a line to print, or a question. The next question must not be sent
// before the answer.
type text struct {
	line     string
	question bool
}

// openTerminal starts the two goroutines of the terminal. Close ends them, except
// for a read of the input in progress.
func openTerminal(in io.Reader, out io.Writer) *terminal {
	t := &terminal{
		texts:   make(chan text, 64),
		answers: make(chan answer, 1), // to one question at a time
		done:    make(chan struct{}),
	}
	lines := make(chan string)
	go t.read(in, lines)
	go t.converse(lines, out)
	return t
}

func (t *terminal) read(in io.Reader, lines chan<- string) {
	defer close(lines)
	for scanner := bufio.NewScanner(in); scanner.Scan(); {
		select {
		case lines <- scanner.Text():
		case <-t.done:
			return
		}
	}
}

// converse treats a line of input as the answer to the last question printed. It
// ignores lines while there is no question.
func (t *terminal) converse(lines <-chan string, out io.Writer) {
	defer close(t.done)
	asked := false
	for {
		select {
		case said, ok := <-t.texts:
			if !ok {
				return
			}
			t.print(out, said.line)
			asked = asked || said.question
		case line, ok := <-lines:
			if !ok {
				close(t.answers)
				lines = nil
			} else if asked {
				asked = !t.answer(line, out)
			}
		}
	}
}

// answer reports whether the line is an answer.
func (t *terminal) answer(line string, out io.Writer) bool {
	a, err := parseAnswer(line)
	if err != nil {
		t.print(out, err)
		return false
	}
	t.answers <- a
	return true
}

// say prints a line. It discards the line if too many wait to be printed.
func (t *terminal) say(format string, args ...any) {
	select {
	case t.texts <- text{line: fmt.Sprintf(format, args...)}:
	default:
	}
}

func (t *terminal) print(out io.Writer, line any) {
	if _, err := fmt.Fprintln(out, line); t.err == nil {
		t.err = err
	}
}

// close waits until everything is printed, and returns the first error.
func (t *terminal) close() error {
	close(t.texts)
	<-t.done
	return t.err
}
