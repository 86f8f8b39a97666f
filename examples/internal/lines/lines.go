// Package lines prints for programs that must not wait for their output: whoever
// decides about packets holds up the network if a terminal or a pipe is slow.
package lines

import (
	"fmt"
	"io"
	"time"

	"github.com/ipqueue/ipqueue/examples/internal/numbers"
)

const (
	backlog  = 1024        // lines that wait to be written
	patience = time.Second // with the writer, at the end
)

// A Printer writes lines in a goroutine of its own. It is for one goroutine.
type Printer struct {
	waiting chan string
	written chan error
	lost    int
}

// New returns a printer that writes to w until Close.
func New(w io.Writer) *Printer {
	p := &Printer{waiting: make(chan string, backlog), written: make(chan error, 1)}
	go p.write(w)
	return p
}

// write tells of the first error at the end.
func (p *Printer) write(w io.Writer) {
	var first error
	for line := range p.waiting {
		if _, err := io.WriteString(w, line); first == nil {
			first = err
		}
	}
	p.written <- first
}

// Printf formats as fmt.Printf does and hands the line to the writer. It never
// waits: while 1024 lines wait to be written further ones are lost.
func (p *Printer) Printf(format string, args ...any) {
	select {
	case p.waiting <- fmt.Sprintf(format, args...):
	default:
		p.lost++
	}
}

// Close waits until all lines are written, but not longer than a second. The
// error tells what was not written: how many lines were lost, or why writing
// failed. It must be called once, after the last Printf.
func (p *Printer) Close() error {
	close(p.waiting)
	select {
	case err := <-p.written:
		if p.lost > 0 {
			return fmt.Errorf("%s not printed: the output is too slow", numbers.Count(p.lost, "line"))
		}
		return err
	case <-time.After(patience):
		return fmt.Errorf("at least %s not printed: the output is stuck", numbers.Count(p.lost+len(p.waiting), "line"))
	}
}
