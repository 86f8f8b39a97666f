//go:build race

package queue_test

import (
	"bytes"
	"net"
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

// What refers to the payload is spoiled with it; what was copied is not.
func TestPoisonParts(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		sent := s.datagram(100)
		s.injectPayload(sent)
		p := s.next()
		flow, clone := p.Flow(), p.Clone()
		source := flow.Source.Addr().AsSlice()
		at := bytes.Index(p.Payload, source)
		address := net.IP(p.Payload[at : at+len(source)])
		_, segment := p.Transport()
		parts := map[string][]byte{"address": address, "segment": segment, "data": p.Data()}
		s.ok(p.Accept())
		s.quiet()
		for name, part := range parts {
			if want := bytes.Repeat([]byte{0xdb}, len(part)); len(part) == 0 || !bytes.Equal(part, want) {
				s.Errorf("%s % .20x after the verdict", name, part)
			}
		}
		if !bytes.Equal(flow.Source.Addr().AsSlice(), source) || !bytes.Equal(clone, sent) {
			s.Errorf("after the verdict: flow %v, clone % x", flow, clone)
		}
	})
}
