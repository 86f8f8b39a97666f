package main

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ipqueue/ipqueue/queue/queuetest"
)

// A full writer fails, as a full disk does.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// The program reports output that could not be written.
func TestOutputFails(t *testing.T) {
	k := queuetest.New(t, queuetest.Options{})
	o, err := parseLine("ads.example")
	if err != nil {
		t.Fatal(err)
	}
	p := k.Go(func(ctx context.Context) error { return run(ctx, o, nil, full{}) })
	k.Send(queuetest.UDP("192.0.2.1:53", "192.0.2.2:4000", nil)).WantAccepted() // the queue is open
	if err := p.Stop(); err == nil || !strings.Contains(err.Error(), io.ErrShortWrite.Error()) {
		t.Errorf("run = %v, want %v", err, io.ErrShortWrite)
	}
}

func TestNotesStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		n := newNotes(w)
		n.printf("a line\n")
		if err := n.close(); err == nil || !strings.Contains(err.Error(), "the output is stuck") {
			t.Errorf("close = %v, want that the output is stuck", err)
		}
		r.Close()
	})
}
