package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ipqueue/ipqueue/examples/internal/numbers"
)

// A printer writes records as lines and, with a file, in pcapng format. After
// an error it writes nothing more.
type printer struct {
	lines   *bufio.Writer
	capture *capture // nil: lines alone
	file    io.WriteCloser
	pending uint64 // records not flushed
	written atomic.Uint64
	err     error
}

// newPrinter returns a printer of lines and, if file is not nil, of a capture
// of the queue with that number.
func newPrinter(lines io.Writer, file io.WriteCloser, number uint16) *printer {
	p := &printer{lines: bufio.NewWriter(lines), file: file}
	if file != nil {
		p.capture, p.err = newCapture(file, number)
		p.flush()
	}
	return p
}

// print writes a record. It buffers the output only if more records follow.
func (p *printer) print(r *record, more bool) {
	if p.err != nil {
		return
	}
	if r.skipped > 0 {
		fmt.Fprintf(p.lines, "... %s not written\n", numbers.Count(r.skipped, "packet"))
	}
	fmt.Fprintf(p.lines, "%s  %-6s  %7s  %s\n", r.when.Format("15:04:05.000000"), r.fate(), brief(r.waited), r.about)
	if p.capture != nil {
		p.err = p.capture.write(r)
	}
	p.pending++
	if !more {
		p.flush()
	}
}

// fate returns the verdict in the syntax of rules.
func (r *record) fate() string { return strings.ToLower(r.verdict.String()) }

// brief formats a duration in at most seven characters.
func brief(d time.Duration) string {
	for unit := time.Nanosecond; ; unit *= 10 {
		if d < 1000*unit || unit == time.Second {
			return d.Round(unit).String()
		}
	}
}

// flush writes buffered output. A bufio.Writer remembers its errors.
func (p *printer) flush() {
	if p.err == nil && p.capture != nil {
		p.err = p.capture.w.Flush()
	}
	if p.err = errors.Join(p.lines.Flush(), p.err); p.err != nil {
		complain(fmt.Errorf("writing has stopped: %w", p.err))
		return
	}
	p.written.Add(p.pending)
	p.pending = 0
}

// close may be called once print has returned for the last time.
func (p *printer) close() error {
	if p.file == nil {
		return p.err
	}
	return errors.Join(p.err, p.file.Close())
}
