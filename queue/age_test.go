package queue_test

import (
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue"
)

func TestPacketAge(t *testing.T) {
	if got := (queue.Packet{}).Age(); got != 0 {
		t.Errorf("zero Packet: Age %v, want 0", got)
	}
	for _, tt := range []struct {
		c    queue.Config
		want time.Duration
	}{
		{queue.Config{}, 0},
		{queue.Config{TrackAge: true}, 5 * time.Second},
		{queue.Config{Deadline: time.Minute}, 5 * time.Second},
	} {
		simulate(t, both, kerneltest.Options{}, func(s *sim) {
			s.open(tt.c)
			s.inject(1)
			old := s.next()
			time.Sleep(5 * time.Second)
			s.inject(1)
			young := s.next()
			wantAge(s, "before the verdict", old, tt.want)
			wantAge(s, "of a packet just read", young, 0)
			s.ok(old.Accept())
			wantAge(s, "after the verdict", old, 0)
			s.inject(1)
			again := s.next() // in the slot of the first
			time.Sleep(5 * time.Second)
			wantAge(s, "of a packet that has left its slot", old, 0)
			s.ok(young.Accept())
			s.ok(again.Accept())
		})
	}
}

// Packets wait to be read. With a deadline their age is at least how long they
// waited, and at most an eighth of the deadline more. Otherwise it begins when
// they are read.
func TestPacketAgeUnread(t *testing.T) {
	const deadline = 8 * time.Second
	for _, c := range []queue.Config{{Deadline: deadline}, {TrackAge: true}} {
		simulate(t, both, kerneltest.Options{}, func(s *sim) {
			s.open(c)
			injected := make(map[uint64]time.Time)
			for range 70 {
				injected[s.injectOne().Result().IDs[0]] = time.Now()
				time.Sleep(deadline / 128)
			}
			for p := range s.q.All() {
				waited, age := time.Since(injected[p.ID]), p.Age()
				if c.Deadline == 0 {
					waited = 0
				}
				if age < waited || age > waited+c.Deadline/8 {
					s.Errorf("packet %d: Age %v after %v", p.ID, age, waited)
				}
				s.ok(p.Accept())
				if delete(injected, p.ID); len(injected) == 0 {
					break
				}
			}
		})
	}
}

func wantAge(s *sim, when string, p queue.Packet, want time.Duration) {
	s.Helper()
	if got := p.Age(); got != want {
		s.Errorf("Age %s: %v, want %v", when, got, want)
	}
}
