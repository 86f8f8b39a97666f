package main

import (
	"io"

	"github.com/ipqueue/ipqueue/examples/internal/lines"
	"github.com/ipqueue/ipqueue/examples/internal/numbers"
	"github.com/ipqueue/ipqueue/queue"
)

// A report prints what happens, without ever waiting for the output, and counts
// it.
type report struct {
	lines *lines.Printer
	all   bool // print a line for each ClientHello

	hellos, encrypted            int
	packets, refusals, discarded int
	refused                      int
}

func newReport(out io.Writer, all bool) *report {
	return &report{lines: lines.New(out), all: all}
}

// hello is about a ClientHello, before it is judged.
func (r *report) hello(flow queue.Flow, h hello) {
	r.hellos++
	if h.encrypted {
		r.encrypted++
	}
	if r.all {
		r.lines.Printf("hello    %-40s  %v\n", h, flow)
	}
}

// skipped is about the lines of lists that could not be read.
func (r *report) skipped(errs []error) {
	for _, err := range errs {
		r.lines.Printf("sniblock: skipped: %v\n", err)
	}
}

// packet is about the outcome of a packet.
func (r *report) packet(flow queue.Flow, o outcome) {
	r.packets++
	switch o.decision {
	case discard:
		r.discarded++
	case refuse:
		r.refused++
	}
	if o.reason != "" {
		r.refusals++
		r.lines.Printf("refused  %-40s  %v\n", o.reason, flow)
	}
}

// close prints a summary and waits, not for long, until all is printed.
func (r *report) close() error {
	r.lines.Printf("sniblock: %s, %d with an encrypted name; %s refused\n", numbers.Count(r.hellos, "ClientHello"), r.encrypted, numbers.Count(r.refusals, "connection"))
	r.lines.Printf("%s: %d refused, %d dropped that servers may ignore\n", numbers.Count(r.packets, "packet"), r.refused, r.discarded)
	return r.lines.Close()
}
