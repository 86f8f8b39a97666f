package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/queue"
)

// A file has room for some bytes, like a disk that is nearly full.
type file struct {
	bytes.Buffer
	room   int
	closed bool
}

var errFull = errors.New("disk is full")

func (f *file) Write(b []byte) (int, error) {
	if f.room -= len(b); f.room < 0 {
		return 0, errFull
	}
	return f.Buffer.Write(b)
}

func (f *file) Close() error { f.closed = true; return nil }

func TestPrinter(t *testing.T) {
	var lines bytes.Buffer
	f := &file{room: 1 << 20}
	p := newPrinter(&lines, f, 0)
	when := time.Date(2024, 5, 6, 7, 8, 9, 1000, time.UTC)
	first := &record{when: when, about: "#1 one", verdict: queue.Accept, waited: 21 * time.Microsecond}
	p.print(first, true)
	if lines.Len() > 0 || p.written.Load() != 0 {
		t.Errorf("written %d, %q although more is to come", p.written.Load(), &lines)
	}
	p.print(&record{when: when, about: "#5 two", verdict: queue.Drop, skipped: 3}, false)
	want := "07:08:09.000001  accept     21µs  #1 one\n" +
		"... 3 packets not written\n" +
		"07:08:09.000001  drop         0s  #5 two\n"
	if got := lines.String(); got != want {
		t.Errorf("lines\n%swant\n%s", got, want)
	}
	if got := p.written.Load(); got != 2 {
		t.Errorf("written %d, want 2", got)
	}
	if got := len(readCapture(t, f.Bytes())); got != 2 {
		t.Errorf("%d packets in the file, want 2", got)
	}
	if err := p.close(); err != nil || !f.closed {
		t.Errorf("close: %v, the file is closed: %t", err, f.closed)
	}
}

// TestPrinterFails checks that the printer stops at the first error, and does
// not count packets that it did not write.
func TestPrinterFails(t *testing.T) {
	var lines bytes.Buffer
	f := &file{room: len(write(t, nil))}
	p := newPrinter(&lines, f, 0)
	for range 3 {
		p.print(&record{about: "packet"}, false)
	}
	if got := p.written.Load(); got != 0 {
		t.Errorf("written %d, want 0", got)
	}
	if got := strings.Count(lines.String(), "\n"); got != 1 {
		t.Errorf("%d lines, want that of the packet that failed", got)
	}
	if err := p.close(); !errors.Is(err, errFull) {
		t.Errorf("close: %v, want %v", err, errFull)
	}
}

func TestBrief(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 7: "7ns", 999: "999ns", 21000: "21µs", 21499: "21.5µs", 1234567: "1.23ms", 999999: "1ms",
		1234567890: "1.23s", 83 * time.Second: "1m23s",
	} {
		got := brief(d)
		if got != want || len([]rune(got)) > 7 {
			t.Errorf("brief(%d) = %q, want %q", d, got, want)
		}
	}
}
