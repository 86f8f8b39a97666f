package main

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ipqueue/ipqueue/queue"
)

// A shelf holds packets for a short time, and decides them in random order.
type shelf struct {
	mu      sync.Mutex
	packets []queue.Packet
}

func (s *shelf) put(p queue.Packet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.packets = append(s.packets, p)
}

func (s *shelf) take() []queue.Packet {
	s.mu.Lock()
	defer s.mu.Unlock()
	packets := s.packets
	s.packets = nil
	return packets
}

// run decides the packets on the shelf at random intervals, and once more when stop is
// closed.
func (s *shelf) run(stop <-chan struct{}, r *rand.Rand, decide func(*rand.Rand, queue.Packet) error) error {
	for ended := false; !ended; {
		select {
		case <-stop:
			ended = true
		case <-time.After(upTo(r, 30*time.Millisecond)):
		}
		packets := s.take()
		r.Shuffle(len(packets), func(i, j int) { packets[i], packets[j] = packets[j], packets[i] })
		for _, p := range packets {
			if err := decide(r, p); err != nil {
				return err
			}
		}
	}
	return nil
}
