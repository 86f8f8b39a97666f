package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ipqueue/ipqueue/queue"
)

// play runs the demonstration and returns its output.
func play(ctx context.Context, on stage) (shown string, err error) {
	var b bytes.Buffer
	err = demonstrate(ctx, &screen{&b, false}, on)
	return b.String(), err
}

func TestDemonstrate(t *testing.T) {
	s := newSimulation()
	shown, err := play(t.Context(), stage{"memory", s.kernel, s})
	if err != nil {
		t.Fatalf("%v\n%s", err, shown)
	}
	if got := strings.Count(shown, "\n  ok  "); got != 6 {
		t.Errorf("%d checks went well, want 6:\n%s", got, shown)
	}
	for _, want := range []string{
		"drop     UDP        39  127.0.0.1:40000 > 127.0.0.1:7      \"my password\"\n",
		"replace  UDP        33  127.0.0.1:40000 > 127.0.0.1:7      \"to be\"\n",
		"\n14 packets: 13 accepted (1 replaced), 1 dropped; 0 missed, 0 refused\n",
		"\n    func (y *policy) decide(p queue.Packet) (verdict, error) {\n",
		"\n            return dropped, p.Drop()\n",
		"\n    examples/hello ",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("not shown: %q, but:\n%s", want, shown)
		}
	}
	for shownLine := range strings.Lines(shown) {
		if n := utf8.RuneCountInString(strings.TrimRight(shownLine, "\n")); n > 80 {
			t.Errorf("%d columns, want at most 80: %s", n, shownLine)
		}
	}
}

// A bug is a network with a fault.
type bug struct {
	*simulation
	instead []string // the texts that seem to arrive over UDP
	lose    bool     // leave a gap in the ids of packets
}

func (b bug) say(ctx context.Context, texts ...string) ([]string, error) {
	if b.lose {
		b.kernel.SetLastID(0, 99)
	}
	heard, err := b.simulation.say(ctx, texts...)
	if b.instead != nil {
		heard = b.instead
	}
	return heard, err
}

// TestDemonstrateFails checks that the demonstration notices faults of the
// network.
func TestDemonstrateFails(t *testing.T) {
	for _, test := range []struct {
		name string
		bug  bug
		want string
	}{
		{"dropped arrives", bug{instead: []string{plain, secret, line, goodbye}}, "1 of 6 checks failed: drop"},
		{"unchanged", bug{instead: []string{plain, cue, goodbye}}, "1 of 6 checks failed: replace"},
		{"nothing arrives", bug{instead: []string{}}, "3 of 6 checks failed: accept, drop, replace"},
		{"packet lost", bug{lose: true}, "1 of 6 checks failed: count"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.bug.simulation = newSimulation()
			shown, err := play(t.Context(), stage{"memory", test.bug.kernel, test.bug})
			if err == nil || err.Error() != test.want {
				t.Errorf("ended with %v, want %s; shown:\n%s", err, test.want, shown)
			}
		})
	}
}

func TestDemonstrateInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := newSimulation()
	shown, err := play(ctx, stage{"memory", s.kernel, canceller{s, cancel}})
	if err == nil || err.Error() != "interrupted" {
		t.Errorf("ended with %v, want interrupted; shown:\n%s", err, shown)
	}
	if n := s.kernel.Pending(); n != 0 {
		t.Errorf("%d packets are left in the kernel", n)
	}
}

// A canceller cancels the demonstration instead of sending the ping.
type canceller struct {
	*simulation
	cancel func()
}

func (c canceller) ping(ctx context.Context) error {
	c.cancel()
	<-ctx.Done()
	return ctx.Err()
}

func TestDemonstrateWithoutPrivilege(t *testing.T) {
	s := newSimulation()
	s.kernel.SetPrivileged(false)
	_, err := play(t.Context(), stage{"memory", s.kernel, s})
	var op *queue.OpError
	if !errors.As(err, &op) || op.Op != "open" {
		t.Errorf("ended with %v, want an error of Open", err)
	}
}
