package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/queue/queuetest"
)

// A firstWrite closes its channel at the first write.
type firstWrite struct {
	bytes.Buffer
	done chan struct{}
}

func (w *firstWrite) Write(b []byte) (int, error) {
	if w.Len() == 0 {
		defer close(w.done)
	}
	return w.Buffer.Write(b)
}

func TestWatch(t *testing.T) {
	k := kerneltest.New(kerneltest.Options{})
	ctx, cancel := context.WithCancel(sock.WithKernel(t.Context(), k))
	w := &firstWrite{done: make(chan struct{})}
	ended := make(chan error)
	go func() { ended <- watch(ctx, &screen{w, false}, 9) }()
	<-w.done
	j := k.Inject(kerneltest.Packet{Queue: 9, Payload: queuetest.UDP(client, server, []byte(secret)).Payload})
	if got := j.Wait(); got != kerneltest.Accepted {
		t.Errorf("the packet was %v, want Accepted", got)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for _, want := range []string{
		"Packets of queue 9, ",
		"--queue-num 9 ",
		"accept   UDP        39  127.0.0.1:40000 > 127.0.0.1:7      \"my password\"\n",
		"\n1 packet: 1 accepted (0 replaced), 0 dropped; 0 missed, 0 refused\n",
	} {
		if !strings.Contains(w.String(), want) {
			t.Errorf("not shown: %q, but:\n%s", want, w)
		}
	}
}

func TestWatchWithoutPrivilege(t *testing.T) {
	k := kerneltest.New(kerneltest.Options{Unprivileged: true})
	var b bytes.Buffer
	err := watch(sock.WithKernel(t.Context(), k), &screen{&b, false}, 9)
	var op *queue.OpError
	if !errors.As(err, &op) || b.Len() > 0 {
		t.Errorf("watch = %v and shows %q, want an error of Open and nothing", err, &b)
	}
}

func TestWatchInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(sock.WithKernel(t.Context(), kerneltest.New(kerneltest.Options{})))
	cancel()
	var b bytes.Buffer
	if err := watch(ctx, &screen{&b, false}, 9); err != nil || b.Len() > 0 {
		t.Errorf("watch = %v, and showed %q", err, &b)
	}
}
