package queue_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
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

// withExtensions is an IPv6 packet of UDP behind hop-by-hop options and
// destination options.
func withExtensions(data []byte) []byte {
	p := simUDP(true, data)
	options := []byte{60, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0}
	p = slices.Concat(p[:40], options, p[40:])
	p[6] = 0
	binary.BigEndian.PutUint16(p[4:], uint16(len(p)-40))
	return p
}

// withOptions is an IPv4 packet of UDP with options that do nothing.
func withOptions(data []byte) []byte {
	p := simUDP(false, data)
	p = slices.Concat(p[:20], []byte{1, 1, 1, 0}, p[20:])
	p[0]++
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	p[10], p[11] = 0, 0
	binary.BigEndian.PutUint16(p[10:], ^onesSum(p[:24]))
	return p
}

// TestReplaceHeadersSince72 changes headers in every way. With Linux 7.2,
// either the packet arrives or the verdict is refused: nil never means that the
// packet is lost.
func TestReplaceHeadersSince72(t *testing.T) {
	linux := kerneltest.Version{Major: 7, Minor: 2}
	for name, tt := range map[string]struct {
		family kerneltest.Family
		packet []byte
	}{
		"IPv4":            {kerneltest.IPv4, simUDP(false, pattern(20))},
		"IPv4 options":    {kerneltest.IPv4, withOptions(pattern(20))},
		"IPv6":            {kerneltest.IPv6, simUDP(true, pattern(20))},
		"IPv6 extensions": {kerneltest.IPv6, withExtensions(pattern(20))},
	} {
		for _, raw := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " ", at("raw", raw)), func(t *testing.T) {
				simulate(t, []kind{nfqueueKind}, kerneltest.Options{Linux: linux}, func(s *sim) {
					s.open(queue.Config{})
					arrived, refused := 0, 0
					replace := func(b []byte) (arrives bool) {
						j := s.injectPacket(kerneltest.Packet{Family: tt.family, Payload: slices.Clone(tt.packet)})
						p := s.next()
						if err := p.Decide(queue.Verdict{Action: queue.Accept, Payload: b, Raw: raw}); err != nil {
							refused++
							s.ok(p.Accept())
						}
						s.fate(j, kerneltest.Accepted)
						if j.Result().Replaced {
							arrived++
						}
						return j.Result().Replaced
					}
					if !replace(tt.packet) {
						s.Error("the packet could not be given back as it is")
					}
					data := slices.Clone(tt.packet)
					data[len(data)-1]++
					if !replace(data) {
						s.Error("other data are refused")
					}
					if longer := append(slices.Clone(tt.packet), 1, 2, 3); replace(longer) == raw {
						s.Errorf("longer by 3 bytes: arrives %t", !raw)
					}
					for i := range len(tt.packet) - 20 {
						for _, bits := range []byte{1, 0x10, 0x40, 0x80, 0xff} {
							b := slices.Clone(tt.packet)
							b[i] ^= bits
							replace(b)
						}
					}
					if refused == 0 || arrived < 10 {
						s.Errorf("%d arrived, %d refused, want some of both", arrived, refused)
					}
				})
			})
		}
	}
}

// A cut copy does not show whether the headers stay as they are.
func TestReplaceCutHeadersSince72(t *testing.T) {
	for _, linux := range []kerneltest.Version{{Major: 7, Minor: 1}, {Major: 7, Minor: 2}} {
		simulate(t, []kind{nfqueueKind}, kerneltest.Options{Linux: linux}, func(s *sim) {
			s.open(queue.Config{Mode: queue.Range(50)})
			packet := withExtensions(pattern(20))
			j := s.injectPacket(kerneltest.Packet{Family: kerneltest.IPv6, Payload: packet})
			p := s.next()
			err := p.Replace(packet)
			if linux.Minor < 2 {
				s.ok(err)
			} else if !errors.Is(err, queue.ErrUnsupported) {
				s.Errorf("Replace: %v, want ErrUnsupported", err)
			} else {
				s.ok(p.Accept())
			}
			s.fate(j, kerneltest.Accepted)
		})
	}
}
