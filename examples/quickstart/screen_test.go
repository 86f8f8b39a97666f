package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/queue"
)

// showAll shows every kind of output.
func showAll(s *screen) {
	s.refused(errors.New("no"))
	s.stage(stage{name: "here"})
	s.feed(0)
	s.header()
	for _, v := range []verdict{accepted, dropped, replaced} {
		s.packet(row{1, 28, "ICMP", "127.0.0.1", "127.0.0.1", "echo request"}, v, nil)
	}
	s.packet(row{id: 12345, protocol: "?"}, accepted, errors.New("closed"))
	s.checks([]check{
		{name: "ping", text: "came"}, {name: "drop", err: errors.Join(errors.New("a"), errors.New("b"))},
		{name: "replace", text: "not shown", idle: true},
	})
	s.stats(queue.Stats{Received: 3, Accepted: 2, Replaced: 1, Dropped: 1})
}

var escape = regexp.MustCompile("\x1b\\[[0-9]+m")

func TestScreenColours(t *testing.T) {
	var plain, colourful bytes.Buffer
	showAll(&screen{&plain, false})
	showAll(&screen{&colourful, true})
	if strings.Contains(plain.String(), "\x1b") {
		t.Errorf("escape bytes without colour:\n%q", &plain)
	}
	if got, want := len(escape.FindAllString(colourful.String(), -1)), 2*(1+1+4+3); got != want {
		t.Errorf("%d changes of colour, want %d", got, want)
	}
	if got := escape.ReplaceAllString(colourful.String(), ""); got != plain.String() {
		t.Errorf("colours change the text:\n%s\nwant\n%s", got, &plain)
	}
}

func TestScreenPacket(t *testing.T) {
	var b bytes.Buffer
	s := &screen{&b, false}
	s.header()
	s.packet(row{7, 28, "ICMP", "10.0.0.1", "10.0.0.2", "echo request"}, accepted, nil)
	s.packet(row{8, 40, "UDP", "10.0.0.1:1", "10.0.0.2:2", `"x"`}, replaced, errors.New("already decided"))
	s.packet(row{id: 9, length: 1500, protocol: "?"}, dropped, nil)
	const want = `
  id  verdict  proto   bytes  from > to                          content
   7  accept   ICMP       28  10.0.0.1 > 10.0.0.2                echo request
   8  replace  UDP        40  10.0.0.1:1 > 10.0.0.2:2            already decided
   9  drop     ?        1500
`
	if got := "\n" + b.String(); got != want {
		t.Errorf("shown:%swant:%s", got, want)
	}
}

func TestScreenChecks(t *testing.T) {
	var b bytes.Buffer
	s := &screen{&b, false}
	s.checks([]check{
		{name: "ping", text: "came"}, {name: "drop", err: errors.Join(errors.New("a"), errors.New("b")), text: "unused"},
		{name: "replace", text: "not shown", idle: true}, {name: "replace", err: errors.New("c"), text: "unused", idle: true},
	})
	if got, want := b.String(), "\n  ok    ping     came\n  FAIL  drop     a: b\n  --    replace  not shown\n  FAIL  replace  c\n"; got != want {
		t.Errorf("shown %q, want %q", got, want)
	}
}

func TestColourful(t *testing.T) {
	terminal, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0) // also a character device
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, test := range []struct {
		name string
		file *os.File
		env  map[string]string
		want bool
	}{
		{"terminal", terminal, map[string]string{"TERM": "xterm"}, true},
		{"empty NO_COLOR", terminal, map[string]string{"TERM": "xterm", "NO_COLOR": ""}, true},
		{"NO_COLOR", terminal, map[string]string{"TERM": "xterm", "NO_COLOR": "1"}, false},
		{"dumb terminal", terminal, map[string]string{"TERM": "dumb"}, false},
		{"no TERM", terminal, nil, false},
		{"file", file, map[string]string{"TERM": "xterm"}, false},
	} {
		env := func(name string) string { return test.env[name] }
		if got := colourful(test.file, env); got != test.want {
			t.Errorf("%s: colourful = %t, want %t", test.name, got, test.want)
		}
	}
}
