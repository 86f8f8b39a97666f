package main

import (
	"context"
	"errors"

	"github.com/ipqueue/ipqueue/queue"
)

// watch shows and accepts the packets of a queue of this machine.
func watch(ctx context.Context, show *screen, number uint16) error {
	q, err := queue.Open(ctx, queue.Config{Number: number})
	if errors.Is(err, context.Canceled) {
		return nil // a signal came while Open waited
	}
	if err != nil {
		return err
	}
	defer q.Close()
	show.feed(number)
	err = filter(q, show, accept)
	if closed := q.Close(); err == nil {
		err = closed
	}
	show.stats(q.Stats())
	return err
}
