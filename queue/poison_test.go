//go:build race

package queue_test

import (
	"bytes"
	"testing"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue"
)

// TestPoison reads payloads after their verdict, as a program with a mistake
// does: it must see that something is wrong.
func TestPoison(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		for _, n := range []int{10, 600, 1400, 4000, 30000} {
			s.injectPayload(s.datagram(n))
			p := s.next()
			s.ok(p.Accept())
			s.quiet()
			if want := bytes.Repeat([]byte{0xdb}, len(p.Payload)); !bytes.Equal(p.Payload, want) {
				s.Errorf("%d bytes: payload % .20x after the verdict", n, p.Payload)
			}
		}
	})
}
