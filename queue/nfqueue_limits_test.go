package queue_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue"
)

// The simulated kernel drops what Linux 7.2 drops: nothing may be sent for a
// verdict that is refused, and every other replacement arrives.
func TestReplaceSince72(t *testing.T) {
	v72, v71 := kerneltest.Version{Major: 7, Minor: 2}, kerneltest.Version{Major: 7, Minor: 1}
	for name, tt := range map[string]struct {
		options kerneltest.Options
		family  kerneltest.Family
		refused string // part of the error; empty if the packet arrives replaced
	}{
		"7.2":                         {kerneltest.Options{Linux: v72}, kerneltest.IPv4, ""},
		"7.2, user namespace":         {kerneltest.Options{Linux: v72, UserNamespace: true}, kerneltest.IPv4, "initial user namespace"},
		"7.2, bridge":                 {kerneltest.Options{Linux: v72}, kerneltest.Bridge, "Bridge"},
		"7.1, user namespace":         {kerneltest.Options{Linux: v71, UserNamespace: true}, kerneltest.IPv4, ""},
		"7.1, user namespace, bridge": {kerneltest.Options{Linux: v71, UserNamespace: true}, kerneltest.Bridge, ""},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, []kind{nfqueueKind}, tt.options, func(s *sim) {
				s.open(queue.Config{})
				j := s.injectPacket(kerneltest.Packet{Family: tt.family, Protocol: 0x0800})
				p := s.next()
				for _, replace := range []func(queue.Packet, []byte) error{queue.Packet.ReplaceRaw, queue.Packet.Replace} {
					err := replace(p, p.Payload)
					if tt.refused == "" {
						s.ok(err)
						s.fate(j, kerneltest.Accepted)
						return
					}
					if !errors.Is(err, queue.ErrUnsupported) || !strings.Contains(err.Error(), tt.refused) {
						s.Errorf("replace: %v, want ErrUnsupported naming %q", err, tt.refused)
					}
				}
				s.ok(p.Accept())
				s.fate(j, kerneltest.Accepted)
			})
		})
	}
}

// A verdict that would take the helper away is refused as a whole: it would
// lose the mark. Without NoHelper it is carried out.
func TestNoHelperSince72(t *testing.T) {
	for name, tt := range map[string]struct {
		linux  kerneltest.Version
		helper string // afterwards
	}{
		"7.1": {kerneltest.Version{Major: 7, Minor: 1}, ""},
		"7.2": {kerneltest.Version{Major: 7, Minor: 2}, "ftp"},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, []kind{nfqueueKind}, kerneltest.Options{Linux: tt.linux}, func(s *sim) {
				s.open(queue.Config{Conntrack: true})
				entry := simEntry()
				entry.Helper = "ftp"
				j := s.injectPacket(kerneltest.Packet{Conntrack: entry})
				p := s.next()
				v := queue.Verdict{Action: queue.Accept, Conntrack: queue.CTChange{NoHelper: true, Mark: 9}}
				err := p.Decide(v)
				if tt.helper != "" {
					if !errors.Is(err, queue.ErrUnsupported) {
						s.Errorf("Decide: %v, want ErrUnsupported", err)
					}
					v.Conntrack.NoHelper = false
					err = p.Decide(v)
				}
				s.ok(err)
				s.fate(j, kerneltest.Accepted)
				if got := j.Result().Packet.Conntrack; got.Mark != 9 || got.Helper != tt.helper {
					s.Errorf("the entry has mark %d and helper %q, want 9 and %q", got.Mark, got.Helper, tt.helper)
				}
			})
		})
	}
}
