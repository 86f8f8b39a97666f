package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/queue/queuetest"
)

// A screen blocks every write until run is closed, like a terminal after
// Ctrl-S.
type screen struct {
	run chan struct{}
	bytes.Buffer
}

func (s *screen) Write(b []byte) (int, error) {
	<-s.run
	return s.Buffer.Write(b)
}

// TestStoppedScreen checks that packets do not wait for a stopped screen.
func TestStoppedScreen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, keyboard := io.Pipe()
		out := &screen{run: make(chan struct{})}
		k := queuetest.New(t, queuetest.Options{})
		o := options{0, time.Second, queue.Drop}
		p := k.Go(func(ctx context.Context) error { return run(ctx, o, in, out) })
		for i := range uint32(1000) {
			header := queuetest.TCPHeader{Seq: i, Flags: queuetest.SYN}
			k.Send(queuetest.TCP(client, web, header, nil)).Want(queuetest.Dropped)
		}
		close(out.run)
		keyboard.Close()
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
		if !bytes.Contains(out.Bytes(), []byte("no answer in 1s")) {
			t.Errorf("nothing was said about the time:\n%s", out)
		}
	})
}

// A fullDisk refuses every write.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// TestOutputFails checks that the program reports at its end that its output could
// not be written.
func TestOutputFails(t *testing.T) {
	k := queuetest.New(t, queuetest.Options{})
	p := k.Go(func(ctx context.Context) error {
		return run(ctx, options{0, time.Second, queue.Drop}, new(bytes.Buffer), fullDisk{})
	})
	k.Send(queuetest.TCP(client, web, queuetest.TCPHeader{Flags: queuetest.SYN}, nil)).WantDropped()
	if err := p.Stop(); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("run = %v, want %v", err, io.ErrShortWrite)
	}
}

// TestSayDoesNotWait checks that say discards lines that do not fit, instead of
// waiting.
func TestSayDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &screen{run: make(chan struct{})}
		terminal := openTerminal(new(bytes.Buffer), out)
		for i := range 1000 {
			terminal.say("line %d", i)
		}
		close(out.run)
		if _, ok := <-terminal.answers; ok {
			t.Error("an answer from an empty input")
		}
		terminal.close()
		if lines := bytes.Count(out.Bytes(), []byte("\n")); lines < 64 || lines > 65 {
			t.Errorf("%d lines, want those that fit", lines)
		}
	})
}
