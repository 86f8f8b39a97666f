// Package lines prints without waiting for the output. A program that decides
// packets would otherwise delay the network if its terminal or pipe is slow.
package lines

import (
	"fmt"
	"io"
	"time"

	"github.com/ipqueue/ipqueue/examples/internal/numbers"
)

const (
	backlog  = 1024        // number of lines that may wait to be written
	patience = time.Second // time that Close waits for the writer
)

// A Printer writes lines in a separate goroutine. Only one goroutine may use
// it.
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

// write writes the lines, and sends the first error at the end.
func (p *Printer) write(w io.Writer) {
	var first error
	for line := range p.waiting {
		if _, err := io.WriteString(w, line); first == nil {
			first = err
		}
	}
	p.written <- first
}

// Printf formats a line as fmt.Printf does. It never blocks: if 1024 lines wait
// to be written, the line is lost.
func (p *Printer) Printf(format string, args ...any) {
	select {
	case p.waiting <- fmt.Sprintf(format, args...):
	default:
		p.lost++
	}
}

// Close waits until all lines are written, but at most one second. The error
// contains the number of lines that were not written, or the reason why writing
// failed. Close must be called once, after the last Printf.
func (p *Printer) Close() error {
	close(p.waiting)
	select {
	case err := <-p.written:
		if p.lost > 0 {
			return fmt.Errorf("%s not printed: the output is too slow", numbers.Count(p.lost, "line"))
		}
		return err
	case <-time.After(patience):
		const writing = 1 // the line that the output does not accept
		return fmt.Errorf("%s not printed: the output is stuck", numbers.Count(p.lost+len(p.waiting)+writing, "line"))
	}
}
