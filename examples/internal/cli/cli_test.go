package cli

import (
	"context"
	"errors"
	"flag"
	"io"
	"io/fs"
	"reflect"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/queue/queuetest"
)

var (
	bare  = Program{Name: "bare", About: "Bare does nothing."}
	names = Program{Name: "names", Arguments: "[name ...]", About: "Names takes names."}
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		program Program
		args    string
		status  int
		says    string // on standard error
	}{
		{bare, "-n 3", 0, ""},
		{bare, "-n 3 more", 2, "bare: unexpected argument \"more\" (see bare -h)\n"},
		{bare, "-x", 2, "bare: flag provided but not defined: -x (see bare -h)\n"},
		{bare, "-n", 2, "bare: flag needs an argument: -n (see bare -h)\n"},
		{bare, "-n many", 2, "bare: invalid value \"many\" for flag -n: want a whole number (see bare -h)\n"},
		{bare, "-n 99999999999999999999", 2, "bare: invalid value \"99999999999999999999\" for flag -n: want a whole number (see bare -h)\n"},
		{bare, "-u -5", 2, "bare: invalid value \"-5\" for flag -u: want a whole number from 0 to 18446744073709551615 (see bare -h)\n"},
		{bare, "-t 5", 2, "bare: invalid value \"5\" for flag -t: want a time such as 300ms or 1.5s (see bare -h)\n"},
		{bare, "-t 5ms -n x-t:", 2, "bare: invalid value \"x-t:\" for flag -n: want a whole number (see bare -h)\n"},
		{bare, "-own parse", 2, "bare: invalid value \"parse\" for flag -own: parse error (see bare -h)\n"},
		{names, "-n 3 more", 0, ""},
		{names, "-h", 0, ""},
	} {
		flags := test.program.Flags()
		flags.Int("n", 0, "a `number`")
		flags.Uint64("u", 0, "a `number`")
		flags.Duration("t", 0, "a `time`")
		flags.Func("own", "a `text`", func(text string) error { return errors.New(text + " error") })
		var said strings.Builder
		status := test.program.report(test.program.Parse(flags, strings.Fields(test.args), io.Discard), &said)
		if status != test.status || said.String() != test.says {
			t.Errorf("%s %s: status %d, %q, want %d, %q", test.program.Name, test.args, status, &said, test.status, test.says)
		}
	}
}

func TestHelp(t *testing.T) {
	for program, usage := range map[Program]string{bare: "bare [flags]", names: "names [flags] [name ...]"} {
		flags := program.Flags()
		flags.Int("n", 7, "a `number`")
		var help strings.Builder
		if err := program.Parse(flags, []string{"-help"}, &help); !errors.Is(err, flag.ErrHelp) {
			t.Errorf("Parse = %v, want %v", err, flag.ErrHelp)
		}
		if want := "Usage: " + usage + "\n\n" + program.About + "\n\n  -n number\n    \ta number (default 7)\n"; help.String() != want {
			t.Errorf("help %q, want %q", &help, want)
		}
	}
}

func TestOtherErrors(t *testing.T) {
	var said strings.Builder
	if status := bare.report(&queue.OpError{Op: "open", Err: context.Canceled}, &said); status != 0 || said.String() != "" {
		t.Errorf("status %d, %q after a signal, want 0 and nothing", status, &said)
	}
	if status := bare.report(&fs.PathError{Op: "open", Path: "file", Err: fs.ErrNotExist}, &said); status != 1 || said.String() != "bare: open file: file does not exist\n" {
		t.Errorf("status %d, %q", status, &said)
	}
	if err := Misuse("no: %w", fs.ErrInvalid); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("%v does not match what it wraps", err)
	}
}

func TestQueueName(t *testing.T) {
	nf := queuetest.New(t, queuetest.Options{Number: 7}).Open(queue.Config{Number: 7})
	if got := QueueName(nf, queue.IPv4); got != "queue 7" {
		t.Errorf("name %q, want queue 7", got)
	}
	for family, want := range map[queue.Family]string{queue.IPv4: "ip_queue", queue.IPv6: "ip6_queue"} {
		q := queuetest.New(t, queuetest.Options{Backend: queue.IPQueue}).Open(queue.Config{Family: family})
		if got := QueueName(q, family); got != want {
			t.Errorf("name %q, want %s", got, want)
		}
	}
}

func TestQueueFlags(t *testing.T) {
	for _, test := range []struct {
		args string
		want queue.Config
		says string // "" means no error
	}{
		{"", queue.Config{}, ""},
		{"-queue 65535", queue.Config{Number: 65535}, ""},
		{"-6", queue.Config{Backend: queue.IPQueue, Family: queue.IPv6}, ""},
		{"-6 -queue 0", queue.Config{}, "leave out -6 or -queue"},
		{"-queue 3 -6", queue.Config{}, "leave out -6 or -queue"},
		{"-queue 65536", queue.Config{}, "want a number from 0 to 65535"},
	} {
		var c queue.Config
		flags := bare.Flags()
		Queue(flags, &c)
		err := bare.Parse(flags, strings.Fields(test.args), io.Discard)
		if test.says == "" && (err != nil || !reflect.DeepEqual(c, test.want)) {
			t.Errorf("%s: %+v, %v, want %+v", test.args, c, err, test.want)
		}
		if test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
			t.Errorf("%s: %v, want %s", test.args, err, test.says)
		}
	}
}
