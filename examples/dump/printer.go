package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
)

// A printer writes records as lines and, with a file, in pcapng format. After
// an error it writes nothing more.
type printer struct {
	lines   *bufio.Writer
	packets *bufio.Writer
	file    io.WriteCloser // nil: lines alone
	block   []byte         // used again for each record
	pending uint64         // records not flushed
	written atomic.Uint64
	err     error
}

func newPrinter(lines io.Writer, file io.WriteCloser) *printer {
	p := &printer{lines: bufio.NewWriter(lines), packets: bufio.NewWriter(io.Discard), file: file}
	if file != nil {
		p.packets = bufio.NewWriter(file)
		p.packets.Write(appendSection(nil))
		p.flush()
	}
	return p
}

// print writes a record. It keeps it back only while more are to follow.
func (p *printer) print(r *record, more bool) {
	if p.err != nil {
		return
	}
	if r.skipped > 0 {
		fmt.Fprintf(p.lines, "... %d packets not written\n", r.skipped)
	}
	fmt.Fprintf(p.lines, "%s  %s  %s  %v\n", r.when.Format("15:04:05.000000"), r.about, r.fate(), r.waited)
	p.block = appendPacket(p.block[:0], r)
	p.packets.Write(p.block)
	p.pending++
	if !more {
		p.flush()
	}
}

// fate is the verdict in the language of rules.
func (r *record) fate() string { return strings.ToLower(r.verdict.String()) }

// flush writes out what was kept back. A bufio.Writer remembers its errors.
func (p *printer) flush() {
	if p.err = errors.Join(p.lines.Flush(), p.packets.Flush()); p.err != nil {
		complain(fmt.Errorf("no more packets are written: %w", p.err))
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
