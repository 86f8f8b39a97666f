package main

import "github.com/ipqueue/ipqueue/queue"

// filter lets decide give every packet its verdict, and shows it, until the
// stream ends.
func filter(q *queue.Queue, show *screen, decide func(queue.Packet) (verdict, error)) error {
	show.header()
	for p := range q.Packets() {
		row := describe(p) // before the verdict, which ends the payload's life
		v, err := decide(p)
		show.packet(row, v, err)
	}
	return q.Err()
}

// A verdict is one as it is shown.
type verdict string

const (
	accepted verdict = "accept"
	dropped  verdict = "drop"
	replaced verdict = "replace"
)

func accept(p queue.Packet) (verdict, error) { return accepted, p.Accept() }
