package queue_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue"
)

// isSix reports whether the packets of this kind are of IPv6.
func (s *sim) isSix() bool { return s.family == kerneltest.IPv6 }

// unrepaired is a packet of UDP as an application makes it from another one:
// of its lengths IPv4's or IPv6's is right, all else is stale.
func (s *sim) unrepaired(data []byte) []byte {
	p := s.datagram(100)
	p = append(p[:headerLen(p)+8], data...)
	if s.isSix() {
		binary.BigEndian.PutUint16(p[4:], uint16(len(p)-40))
	} else {
		binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	}
	return p
}

// wantReplaced fails the test unless the packet left with that data, and
// correct.
func (s *sim) wantReplaced(j *kerneltest.Journey, data []byte) {
	s.Helper()
	s.fate(j, kerneltest.Accepted)
	r := j.Result()
	if !r.Replaced {
		s.Fatal("the kernel did not replace the packet")
	}
	if got := r.Packet.Payload[headerLen(r.Packet.Payload)+8:]; !bytes.Equal(got, data) {
		s.Errorf("%d bytes of data left, want %d: % .20x, want % .20x", len(got), len(data), got, data)
	}
	wantCorrect(s, r.Packet.Payload)
}

// lengths are all short ones and those around every limit of the library's
// memory.
func lengths() (list []int) {
	for n := range 70 {
		list = append(list, n)
	}
	for _, n := range []int{256, 768, 1472, 1536, 4096, 8192, 16384, 32768, 60000} {
		for d := -45; d <= 3; d++ {
			list = append(list, n+d)
		}
	}
	return list
}

func TestReplaceLengths(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		for _, n := range lengths() {
			j := s.injectPayload(s.datagram(100))
			s.ok(s.next().Replace(s.unrepaired(pattern(n))))
			s.wantReplaced(j, pattern(n))
		}
		if got, want := s.stats().Replaced, uint64(len(lengths())); got != want {
			s.Errorf("%d replaced, want %d", got, want)
		}
	})
}

// TestReplaceGrown gives a longer payload with the old IP length.
func TestReplaceGrown(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		for _, n := range []int{1, 2, 3, 1000, 3001} {
			j := s.injectPayload(s.datagram(10))
			p := s.next()
			s.ok(p.Replace(append(p.Clone(), pattern(n)...)))
			s.wantReplaced(j, append(pattern(10), pattern(n)...))
		}
	})
}

// TestReplaceInPlace changes p.Payload itself.
func TestReplaceInPlace(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		for _, n := range []int{1, 33, 1400, 5000, 60001} {
			j := s.injectPayload(s.datagram(n))
			p := s.next()
			data := p.Payload[headerLen(p.Payload)+8:]
			for i := range data {
				data[i] ^= 0x55
			}
			want := bytes.Clone(data)
			s.ok(p.Replace(p.Payload))
			s.wantReplaced(j, want)
		}
	})
}

// TestPayloadChangedOnly changes p.Payload and accepts the packet.
func TestPayloadChangedOnly(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		j := s.injectOne()
		p := s.next()
		clear(p.Payload)
		s.ok(p.Accept())
		s.fate(j, kerneltest.Accepted)
		if r := j.Result(); r.Replaced || !bytes.Equal(r.Packet.Payload, s.datagram(32)) {
			s.Errorf("the packet changed: % x", r.Packet.Payload)
		}
	})
}

// TestReplaceKeepsNothing changes the slice between the verdict and its
// sending, which waits behind another one.
func TestReplaceKeepsNothing(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		j := s.inject(3)
		p := s.nextN(3)
		release := s.holdSends()
		go p[0].Accept()
		for i, n := range []int{40, 5000} {
			mine := s.unrepaired(pattern(n))
			before := bytes.Clone(mine)
			s.quiet()
			s.ok(p[1+i].Replace(mine))
			if !bytes.Equal(mine, before) {
				s.Error("Replace changed the caller's slice")
			}
			clear(mine)
		}
		release()
		s.wantReplaced(j[1], pattern(40))
		s.wantReplaced(j[2], pattern(5000))
	})
}

// TestReplaceRaw repairs nothing.
func TestReplaceRaw(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		for _, n := range []int{0, 1, 2, 3, 1000, 1001, 6000} {
			j := s.injectOne()
			raw := append(make([]byte, headerLen(s.datagram(0))), pattern(n)...)
			s.ok(s.next().ReplaceRaw(raw))
			s.fate(j, kerneltest.Accepted)
			if r := j.Result(); !r.Replaced || !bytes.Equal(r.Packet.Payload, raw) {
				s.Errorf("%d bytes: replaced %t, left % .40x, want % .40x", n, r.Replaced, r.Packet.Payload, raw)
			}
		}
	})
}

// TestReplaceLongest finds the length up to which each kernel takes a
// replacement.
func TestReplaceLongest(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		longest := 65535
		if s.isNFQueue() {
			longest = 65531
		}
		j := s.injectOne()
		p := s.next()
		s.wantRefused(p, j, queue.Verdict{Action: queue.Accept, Payload: make([]byte, longest+1)}, queue.ErrInvalid)
		j = s.injectOne()
		n := longest - len(s.datagram(0))
		s.ok(s.next().Replace(s.unrepaired(pattern(n))))
		s.wantReplaced(j, pattern(n))
	})
}

// TestReplaceTruncated gives the beginning of a packet back.
func TestReplaceTruncated(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{Mode: queue.Range(64)})
		j := s.injectPayload(s.datagram(200))
		p := s.next()
		if !p.Truncated() || len(p.Payload) != 64 || int(p.Length) != len(s.datagram(200)) {
			s.Errorf("truncated %t, %d of %d bytes", p.Truncated(), len(p.Payload), p.Length)
		}
		if err := p.Replace(p.Payload); !errors.Is(err, queue.ErrTruncated) {
			s.Errorf("echo of a cut copy: %v, want ErrTruncated", err)
		}
		s.wantRefused(p, j, queue.Verdict{Action: queue.Drop, Payload: p.Clone()}, queue.ErrTruncated)
		j = s.injectPayload(s.datagram(200))
		s.ok(s.next().Replace(s.datagram(300))) // a complete new packet
		s.wantReplaced(j, pattern(300))
		j = s.injectPayload(s.datagram(200))
		p = s.next()
		s.ok(p.ReplaceRaw(p.Payload)) // who asks for it gets it
		s.fate(j, kerneltest.Accepted)
	})
}

// TestReplaceMetaOnly makes a packet whose old bytes were never seen.
func TestReplaceMetaOnly(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{Mode: queue.MetaOnly})
		j := s.injectOne()
		p := s.next()
		if len(p.Payload) != 0 || p.Truncated() {
			s.Errorf("%d bytes, truncated %t", len(p.Payload), p.Truncated())
		}
		s.ok(p.Replace(s.unrepaired(pattern(77))))
		s.wantReplaced(j, pattern(77))
	})
}

// TestReplaceUnfinished replaces a packet whose checksum the device would have
// completed. Sent unchanged, the receiver would drop it.
func TestReplaceUnfinished(t *testing.T) {
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		for _, make := range []func(bool, []byte) []byte{simUDP, simTCP} {
			payload := make(false, pattern(99))
			payload[headerLen(payload)+6] ^= 1 // UDP's checksum
			payload[headerLen(payload)+16] ^= 1
			j := s.injectPacket(kerneltest.Packet{Payload: payload, Checksum: kerneltest.Partial})
			p := s.next()
			if p.ChecksumReady() || p.ChecksumVerified() {
				s.Error("the checksum is said to be ready")
			}
			s.ok(p.Replace(p.Payload))
			s.fate(j, kerneltest.Accepted)
			wantCorrect(s, j.Result().Packet.Payload)
		}
	})
}

func TestReplaceGSO(t *testing.T) {
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		inject := func() (*kerneltest.Journey, queue.Packet) {
			j := s.injectPacket(kerneltest.Packet{Payload: simTCP(false, pattern(9000)), GSO: 1400})
			return j, s.next()
		}
		for _, n := range []int{8999, 9001, 1} {
			j, p := inject()
			s.wantRefused(p, j, queue.Verdict{Action: queue.Accept, Payload: simTCP(false, pattern(n))}, queue.ErrUnsupported)
			j, p = inject()
			s.wantRefused(p, j, queue.Verdict{Action: queue.Accept, Payload: simTCP(false, pattern(n)), Raw: true}, queue.ErrUnsupported)
		}
		j, p := inject()
		other := simTCP(false, slices.Repeat([]byte{9}, 9000))
		s.ok(p.Replace(other))
		s.fate(j, kerneltest.Accepted)
		if !bytes.Equal(j.Result().Packet.Payload, other) {
			s.Error("the replacement of equal length did not arrive")
		}
	})
}

// TestReplaceGSOCut replaces a GSO packet of which only the beginning was
// copied. The length of the packet counts, not that of the copy.
func TestReplaceGSOCut(t *testing.T) {
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{Mode: queue.Range(100)})
		payload := simTCP(false, pattern(9000))
		j := s.injectPacket(kerneltest.Packet{Payload: payload, GSO: 1400})
		s.wantRefused(s.next(), j, queue.Verdict{Action: queue.Accept, Payload: simTCP(false, pattern(60))}, queue.ErrUnsupported)
		j = s.injectPacket(kerneltest.Packet{Payload: payload, GSO: 1400})
		s.ok(s.next().Replace(payload))
		s.fate(j, kerneltest.Accepted)
	})
}

// TestReplaceBelowTransport gives less than the old packet's IP header, which
// nfnetlink_queue answers by dropping the packet without a word
// (nfqnl_mangle).
func TestReplaceBelowTransport(t *testing.T) {
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		old := append(simUDP(false, nil)[:20:20], bytes.Repeat([]byte{1}, 40)...) // 40 no-operation options
		old[0], old[3] = 0x4f, 68
		old = append(old, 0x30, 0x39, 0, 53, 0, 8, 0, 0)
		j := s.injectPayload(old)
		s.wantRefused(s.next(), j, queue.Verdict{Action: queue.Accept, Payload: simUDP(false, nil)}, queue.ErrInvalid)
	})
}

// TestReplaceOtherFamily replaces what is no IP packet.
func TestReplaceOtherFamily(t *testing.T) {
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		for _, f := range []kerneltest.Family{kerneltest.ARP, kerneltest.Bridge} {
			j := s.injectPacket(kerneltest.Packet{Family: f, Protocol: 0x0806, Payload: make([]byte, 28)})
			arp := append([]byte{0, 1, 8, 0, 6, 4, 0, 1}, pattern(20)...)
			s.ok(s.next().Replace(arp))
			s.fate(j, kerneltest.Accepted)
			if got := j.Result().Packet.Payload; !bytes.Equal(got, arp) {
				s.Errorf("family %d: % x left, want % x", f, got, arp)
			}
		}
	})
}

// TestReplaceAndRepeat sends a replacement with another action than Accept.
func TestReplaceAndRepeat(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		j := s.injectOne()
		s.ok(s.next().Decide(queue.Verdict{Action: queue.Repeat, Payload: s.unrepaired(pattern(50))}))
		s.quiet()
		p := s.next()
		if want := s.datagram(50); !bytes.Equal(p.Payload, want) {
			s.Errorf("came again as % x, want % x", p.Payload, want)
		}
		s.ok(p.Accept())
		s.fate(j, kerneltest.Accepted)
	})
}
