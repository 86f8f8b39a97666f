package main

import (
	"time"

	"github.com/ipqueue/ipqueue/queue"
)

// A held packet waits until it is due.
type held struct {
	packet       queue.Packet
	fate         fate
	arrived, due time.Time
	number       int // in the order of arrival
}

// A schedule is a heap of held packets, in the order in which they are due. Packets
// that are due at the same time are in the order of arrival.
type schedule []held

func (s schedule) Len() int      { return len(s) }
func (s schedule) Swap(i, j int) { s[i], s[j] = s[j], s[i] }

func (s schedule) Less(i, j int) bool {
	if s[i].due.Equal(s[j].due) {
		return s[i].number < s[j].number
	}
	return s[i].due.Before(s[j].due)
}

// Push appends a held packet, for package heap.
func (s *schedule) Push(x any) { *s = append(*s, x.(held)) }

// Pop removes the last one, for package heap.
func (s *schedule) Pop() any {
	last := len(*s) - 1
	h := (*s)[last]
	(*s)[last] = held{} // releases the payload
	*s = (*s)[:last]
	return h
}
