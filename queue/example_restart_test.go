package queue_test

import (
	"bytes"
	"context"
	"errors"
	"log"
	"os"
	"os/signal"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipqueue/ipqueue/queue"
)

// keepFiltering runs filter again whenever it ends, until ctx ends.
func keepFiltering(ctx context.Context, filter func(context.Context) error) {
	for ctx.Err() == nil {
		if err := filter(ctx); err != nil { // opens the queue, ranges over it, returns q.Err()
			log.Print(err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// A queue ends if its socket fails or the privilege is removed. A program that
// must continue opens it again.
func ExampleOpen_restart() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	keepFiltering(ctx, func(ctx context.Context) error {
		q, err := queue.Open(ctx, queue.Config{})
		if err != nil {
			return err
		}
		defer q.Close()
		for p := range q.Packets() {
			data := p.Data()
			if !bytes.Contains(data, []byte("cat")) {
				p.Accept()
				continue
			}
			b := bytes.ReplaceAll(data, []byte("cat"), []byte("dog"))
			if err := p.ReplaceData(b); err != nil {
				log.Print(err)
				p.Drop()
			}
		}
		return q.Err()
	})
}

func TestKeepFiltering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log.SetOutput(t.Output())
		defer log.SetOutput(os.Stderr)
		ctx, cancel := context.WithCancel(t.Context())
		var starts []time.Duration
		begin := time.Now()
		keepFiltering(ctx, func(context.Context) error {
			starts = append(starts, time.Since(begin))
			if len(starts) == 3 {
				cancel()
			}
			return errors.New("the socket is dead")
		})
		if len(starts) != 3 || starts[1] != time.Second || starts[2] != 2*time.Second {
			t.Errorf("started after %v, want 0s, 1s, 2s", starts)
		}
	})
}
