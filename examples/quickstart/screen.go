package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/ipqueue/ipqueue/examples/internal/numbers"
	"github.com/ipqueue/ipqueue/queue"
)

// An output remembers the first error of a Writer.
type output struct {
	io.Writer
	err error
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.Writer.Write(b)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// A screen shows what the program does.
type screen struct {
	io.Writer
	colour bool
}

// colourful reports whether f is a terminal that may be sent colours.
func colourful(f *os.File, env func(string) string) bool {
	if env("NO_COLOR") != "" || env("TERM") == "" || env("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Colours (ECMA-48, SGR).
const (
	bold   = 1
	red    = 31
	green  = 32
	yellow = 33
)

// paint returns text in a colour. The caller pads it, to keep columns aligned.
func (s *screen) paint(colour int, text string) string {
	if !s.colour {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", colour, text)
}

// refused prints why the running kernel cannot be used.
func (s *screen) refused(err error) {
	fmt.Fprintf(s, "This program may not create a network namespace here:\n  %v\n"+
		"It runs on a simulated kernel instead.\n\n", err)
}

func (s *screen) stage(on stage) {
	fmt.Fprintf(s, "%s\n", s.paint(bold, "Packets from the kernel's queue, with the verdict on each"))
	fmt.Fprintf(s, "  network  %s\n  rule     table ip quickstart, hook output: queue to 0\n\n", on.name)
}

// feed prints rules that send packets to the queue.
func (s *screen) feed(number uint16) {
	fmt.Fprintln(s, s.paint(bold, fmt.Sprintf("Packets of queue %d, accepted until Ctrl-C", number)))
	fmt.Fprintln(s, "  rules that feed it, for example:")
	if number == 0 {
		fmt.Fprintln(s, "    iptables -I INPUT -p icmp -j QUEUE    # ip_queue, before Linux 3.5")
	}
	fmt.Fprintf(s, "    iptables -I INPUT -p icmp -j NFQUEUE --queue-num %d --queue-bypass\n", number)
	fmt.Fprintf(s, "    nft 'table ip quickstart { chain input { type filter hook input priority 0;\n"+
		"      ip protocol icmp queue flags bypass to %d; }; }'\n\n", number)
}

// columns are id, verdict, protocol, bytes, from > to, and content.
const columns = "%4v  %s  %-6s  %5v  %-33s  %s"

func (s *screen) columns(values ...any) {
	fmt.Fprintln(s, strings.TrimRight(fmt.Sprintf(columns, values...), " "))
}

func (s *screen) header() {
	s.columns("id", "verdict", "proto", "bytes", "from > to", "content")
}

func (s *screen) packet(r row, v verdict, err error) {
	colour := colours[v]
	if err != nil {
		colour, r.says = red, err.Error()
	}
	flow := ""
	if r.from != "" {
		flow = r.from + " > " + r.to
	}
	s.columns(r.id, s.paint(colour, fmt.Sprintf("%-7s", v)), r.protocol, r.length, flow, r.says)
}

var colours = map[verdict]int{accepted: green, dropped: red, replaced: yellow}

func (s *screen) checks(checks []check) {
	fmt.Fprintln(s)
	for _, c := range checks {
		mark, text := s.paint(green, "ok  "), c.text
		if c.idle {
			mark = s.paint(yellow, "--  ")
		}
		if c.err != nil {
			mark, text = s.paint(red, "FAIL"), strings.ReplaceAll(c.err.Error(), "\n", ": ")
		}
		fmt.Fprintf(s, "  %s  %-7s  %s\n", mark, c.name, text)
	}
}

// next prints the code that decided, and what to do next.
func (s *screen) next() {
	fmt.Fprintf(s, "\n%s\n\n", s.paint(bold, "The code that decided (examples/quickstart/policy.go)"))
	for line := range strings.Lines(code()) {
		fmt.Fprint(s, "    "+line)
	}
	fmt.Fprintf(s, "\n%s\n\n"+
		"    examples/hello      a program to copy, and its test\n"+
		"    examples/doctor     why no packets arrive\n"+
		"    queue/README.md     rules, tuning, errors\n", s.paint(bold, "Next"))
}

func (s *screen) stats(t queue.Stats) {
	fmt.Fprintf(s, "\n%s: %d accepted (%d replaced), %d dropped; %d missed, %d refused\n",
		numbers.Count(t.Received, "packet"), t.Accepted, t.Replaced, t.Dropped, t.Missed, t.Refused)
}
