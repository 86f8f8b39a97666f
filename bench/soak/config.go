package main

import (
	"math/rand/v2"
	"time"

	"github.com/ipqueue/ipqueue/queue"
)

// pick returns one of the values.
func pick[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

// maybe returns true with probability 1/times.
func maybe(r *rand.Rand, times int) bool { return r.IntN(times) == 0 }

// randomConfig returns a random configuration. The queue may lose packets with it, but
// must count them correctly.
func randomConfig(r *rand.Rand, number uint16) queue.Config {
	c := queue.Config{
		Number:       number,
		Mode:         randomMode(r),
		QueueLength:  pick(r, 0, 0, 1024, 128, 16),
		ReadBuffer:   pick(r, 0, 0, 1<<20, 64<<10, 4<<10),
		Buffer:       pick(r, 0, 0, 32, 1, -1),
		MaxUndecided: pick(r, 0, 0, 500, 64),
		NoGSO:        maybe(r, 3),
		FailOpen:     maybe(r, 4),
		Owner:        maybe(r, 2),
		Deadline:     pick(r, 0, 0, 200*time.Millisecond, 20*time.Millisecond),
		OnDeadline:   pick(r, queue.Drop, queue.Accept),
		WhenFull:     pick(r, 0, 0, queue.Drop, queue.Accept),
		OnClose:      pick(r, 0, 0, queue.Accept),
		Grace:        pick(r, 0, -1, 5*time.Millisecond),
		TrackAge:     maybe(r, 2),
	}
	if maybe(r, 2) {
		c.OnRefused = func(uint64, error) {} // makes the queue send a message for each verdict
	}
	return c
}

func randomMode(r *rand.Rand) queue.Mode {
	return pick(r, queue.WholePacket, queue.WholePacket, queue.MetaOnly, queue.Range(1+r.IntN(2000)))
}
