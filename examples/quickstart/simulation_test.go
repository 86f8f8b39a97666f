package main

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/ipqueue/ipqueue/checksum"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
)

// simulate returns a network whose packets are decided by decide.
func simulate(t *testing.T, decide func(queue.Packet) error) *simulation {
	t.Helper()
	s := newSimulation()
	q, err := queue.Open(sock.WithKernel(t.Context(), s.kernel), queue.Config{})
	if err != nil {
		t.Fatal(err)
	}
	filtered := make(chan struct{})
	go func() {
		defer close(filtered)
		for p := range q.Packets() {
			if err := decide(p); err != nil {
				t.Error(err)
			}
		}
	}()
	t.Cleanup(func() { q.Close(); <-filtered })
	return s
}

func TestSimulationPacketsAreValid(t *testing.T) {
	s := simulate(t, func(p queue.Packet) error {
		if valid, err := checksum.Valid(p.Payload); !valid || err != nil {
			t.Errorf("packet %x: checksums are %t, %v, want right ones", p.Payload, valid, err)
		}
		return p.Accept()
	})
	if err := s.ping(t.Context()); err != nil {
		t.Error("ping:", err)
	}
	if got, err := s.say(t.Context(), "a", "bc"); len(got) != 2 || err != nil {
		t.Errorf("say = %q, %v, want both texts", got, err)
	}
	if got, err := s.echo(t.Context(), "hello"); got != "hello" || err != nil {
		t.Errorf("echo = %q, %v, want hello", got, err)
	}
}

func TestSimulationLosesDropped(t *testing.T) {
	s := simulate(t, queue.Packet.Drop)
	if err := s.ping(t.Context()); !errors.Is(err, errLost) {
		t.Errorf("ping = %v, want %v", err, errLost)
	}
	if got, err := s.say(t.Context(), "a"); len(got) != 0 || err != nil {
		t.Errorf("say = %q, %v, want nothing", got, err)
	}
	if _, err := s.echo(t.Context(), "a"); !errors.Is(err, errLost) {
		t.Errorf("echo = %v, want %v", err, errLost)
	}
}

// TestSimulationChecksReplaced checks that a receiver drops packets with wrong
// lengths or checksums, as ReplaceRaw can produce them.
func TestSimulationChecksReplaced(t *testing.T) {
	for _, test := range []struct{ name, text string }{
		{"longer", "hello, world"},
		{"shorter", "he"},
		{"as long", "hullo"},
	} {
		s := simulate(t, func(p queue.Packet) error {
			headers := p.Payload[:len(p.Payload)-len(p.Data())]
			return p.ReplaceRaw(slices.Concat(headers, []byte(test.text)))
		})
		if got, err := s.say(t.Context(), "hello"); err != nil || (len(got) > 0 && got[0] == test.text) {
			t.Errorf("%s: say = %q, %v, want not the raw text", test.name, got, err)
		}
	}
}

func TestSimulationEndsWithContext(t *testing.T) {
	s := simulate(t, func(queue.Packet) error { return nil })
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	cancel(cause)
	if err := s.ping(ctx); err != cause {
		t.Errorf("ping = %v, want %v", err, cause)
	}
	if _, err := s.say(ctx, "a"); err != cause {
		t.Errorf("say = %v, want %v", err, cause)
	}
}
