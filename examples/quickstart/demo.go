package main

import (
	"context"
	"errors"
	"time"

	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
)

// patience is the longest time for the traffic, which takes some milliseconds.
const patience = 10 * time.Second

// greeting is the text sent over TCP.
const greeting = "hello"

// demonstrate filters the program's own traffic and checks what arrived.
func demonstrate(ctx context.Context, show *screen, on stage) error {
	show.stage(on)
	defer on.close()
	life, end := context.WithCancel(sock.WithKernel(ctx, on.kernel))
	defer end()
	q, err := queue.Open(life, queue.Config{})
	if err != nil {
		return err
	}
	defer q.Close()
	var y policy
	filtered := make(chan error, 1)
	go func() {
		defer end()
		filtered <- filter(q, show, y.decide)
	}()
	heard := converse(life, on)
	end()
	if err := <-filtered; err != nil {
		return err
	}
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if y.unsupported() {
		heard.refusal = y.refusal
	}
	return conclude(show, q, heard)
}

// conclude closes the queue, for the final counters, and shows the results.
func conclude(show *screen, q *queue.Queue, heard outcome) error {
	if err := q.Close(); err != nil {
		return err
	}
	stats := q.Stats()
	checks := append(heard.checks(), heard.ledger(stats))
	show.checks(checks)
	show.stats(stats)
	show.next()
	return failures(checks)
}

func converse(ctx context.Context, n network) (o outcome) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	o.ping = n.ping(ctx)
	o.texts, o.udp = n.say(ctx, plain, secret, cue, goodbye)
	o.text, o.tcp = n.echo(ctx, greeting)
	return o
}
