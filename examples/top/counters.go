package main

import "github.com/ipqueue/ipqueue/queue"

// A counter is a field of queue.Stats and its name.
type counter struct {
	name  string
	value func(*queue.Stats) uint64
}

// outcomes count what happened to packets.
var outcomes = []counter{
	{"Received", func(s *queue.Stats) uint64 { return s.Received }},
	{"Decided", func(s *queue.Stats) uint64 { return s.Decided }},
	{"Accepted", func(s *queue.Stats) uint64 { return s.Accepted }},
	{"Dropped", func(s *queue.Stats) uint64 { return s.Dropped }},
	{"Repeated", func(s *queue.Stats) uint64 { return s.Repeated }},
	{"Stopped", func(s *queue.Stats) uint64 { return s.Stopped }},
	{"Requeued", func(s *queue.Stats) uint64 { return s.Requeued }},
	{"Replaced", func(s *queue.Stats) uint64 { return s.Replaced }},
}

// losses count all ways to lose a packet or its verdict, and other problems.
var losses = []counter{
	{"QueueDropped", func(s *queue.Stats) uint64 { return uint64(s.Kernel.QueueDropped) }},
	{"SocketDropped", func(s *queue.Stats) uint64 { return uint64(s.Kernel.SocketDropped) }},
	{"Missed", func(s *queue.Stats) uint64 { return s.Missed }},
	{"Overruns", func(s *queue.Stats) uint64 { return s.Overruns }},
	{"Overflowed", func(s *queue.Stats) uint64 { return s.Overflowed }},
	{"Expired", func(s *queue.Stats) uint64 { return s.Expired }},
	{"Damaged", func(s *queue.Stats) uint64 { return s.Damaged }},
	{"Gone", func(s *queue.Stats) uint64 { return s.Gone }},
	{"Abandoned", func(s *queue.Stats) uint64 { return s.Abandoned }},
	{"Refused", func(s *queue.Stats) uint64 { return s.Refused }},
	{"Late", func(s *queue.Stats) uint64 { return s.Late }},
	{"LostAnswers", func(s *queue.Stats) uint64 { return s.LostAnswers }},
	{"CallsSkipped", func(s *queue.Stats) uint64 { return s.CallsSkipped }},
	{"ConntrackSkipped", func(s *queue.Stats) uint64 { return s.ConntrackSkipped }},
	{"Malformed", func(s *queue.Stats) uint64 { return s.Malformed }},
	{"Foreign", func(s *queue.Stats) uint64 { return s.Foreign }},
	{"SendRetries", func(s *queue.Stats) uint64 { return s.SendRetries }},
	{"BuffersLeft", func(s *queue.Stats) uint64 { return s.BuffersLeft }},
}
