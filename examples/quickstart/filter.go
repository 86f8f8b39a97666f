package main

import (
	"errors"

	"github.com/ipqueue/ipqueue/queue"
)

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

// What the demonstration says by UDP, and what policy makes of it.
const (
	plain   = "good morning"
	secret  = "my password"
	cue     = "to be"
	line    = "to be, or not to be, that is the question"
	goodbye = "good bye"
)

// A policy keeps secrets, completes a line of Hamlet's and accepts the rest.
type policy struct {
	refusal error // why the line was not completed: ErrUnsupported
}

func (y *policy) decide(p queue.Packet) (verdict, error) {
	switch string(udpData(p.Payload)) {
	case secret:
		return dropped, p.Drop()
	case cue:
		err := p.Replace(withUDPData(p.Payload, line))
		if !errors.Is(err, queue.ErrUnsupported) {
			return replaced, err
		}
		y.refusal = err
	}
	return accepted, p.Accept()
}

func accept(p queue.Packet) (verdict, error) { return accepted, p.Accept() }
