package main

import (
	"bufio"
	"fmt"
	"io"
)

// A terminal is a person who is asked one question at a time. Neither a slow
// person nor a stopped screen makes the loop over the packets wait.
type terminal struct {
	texts   chan text
	answers chan answer // closed when the input has ended
	done    chan struct{}
}

// A text is a line for the person, or a question, of which the next must not be
// sent before there is an answer.
type text struct {
	line     string
	question bool
}

// openTerminal starts its two goroutines. Close ends them, but for a read of the
// input that is under way.
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

// converse takes a line for the answer to the question that was printed last. A
// line that comes while there is none answers nothing.
func (t *terminal) converse(lines <-chan string, out io.Writer) {
	defer close(t.done)
	asked := false
	for {
		select {
		case said, ok := <-t.texts:
			if !ok {
				return
			}
			fmt.Fprintln(out, said.line)
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
		fmt.Fprintln(out, err)
		return false
	}
	t.answers <- a
	return true
}

// say prints a line, unless many wait to be printed already.
func (t *terminal) say(format string, args ...any) {
	select {
	case t.texts <- text{line: fmt.Sprintf(format, args...)}:
	default:
	}
}

// close waits until all has been printed.
func (t *terminal) close() {
	close(t.texts)
	<-t.done
}
