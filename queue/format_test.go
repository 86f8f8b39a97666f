package queue_test

import (
	"fmt"
	"testing"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue"
)

func TestPacketString(t *testing.T) {
	syn := []byte{0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2,
		0x9c, 0x40, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x12, 0, 0, 0, 0, 0, 0}
	echo := join(icmp4, []byte{8, 0, 0, 0, 0, 0, 0, 0})
	in, out := kerneltest.Device{Index: 1 << 20}, kerneltest.Device{Index: 1<<20 + 1}
	tests := []struct {
		config queue.Config
		packet kerneltest.Packet
		want   string
	}{
		{queue.Config{}, kerneltest.Packet{Payload: syn, Mark: 42, Hook: kerneltest.Forward, In: in, Out: out},
			"#1 Forward #1048576 > #1048577: TCP 192.0.2.1:40000 > 192.0.2.2:80 SYN ACK, 40 bytes, mark 0x2a"},
		{queue.Config{}, kerneltest.Packet{Payload: echo, Hook: kerneltest.LocalIn, In: in},
			"#1 Input #1048576: ICMP 192.0.2.1 > 192.0.2.2 echo request, 28 bytes"},
		{queue.Config{}, kerneltest.Packet{Payload: header6(58, []byte{135, 0}), Family: kerneltest.IPv6, Hook: kerneltest.LocalOut, Out: out},
			"#1 Output #1048577: ICMPv6 2001::1 > 2001::2 type 135, 42 bytes"},
		{queue.Config{Mode: queue.Range(24)}, kerneltest.Packet{Payload: syn},
			"#1 Prerouting: TCP 192.0.2.1:40000 > 192.0.2.2:80, 40 bytes (24 copied)"},
		{queue.Config{Mode: queue.MetaOnly}, kerneltest.Packet{Payload: syn}, "#1 Prerouting: protocol 0x0800"},
	}
	for _, test := range tests {
		simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
			s.open(test.config)
			s.injectPacket(test.packet)
			p := s.next()
			if got := p.String(); got != test.want {
				s.Errorf("got  %s\nwant %s", got, test.want)
			}
			s.ok(p.Accept())
		})
	}
	if got, want := (queue.Packet{}).String(), "no packet"; got != want {
		t.Errorf("zero Packet: %q, want %q", got, want)
	}
}

// Ids of ip_queue are addresses.
func TestPacketStringOfIPQueue(t *testing.T) {
	simulate(t, nativeKinds(), kerneltest.Options{}, func(s *sim) {
		if s.family != kerneltest.IPv4 {
			return
		}
		id := uint64(0xffff880000001000)
		if s.words.WordSize() == 4 {
			id = 0xdf8b1000
		}
		want := fmt.Sprintf("#%#x Prerouting: ICMP 192.0.2.1 > 192.0.2.2 echo reply, 28 bytes", id)
		s.open(queue.Config{})
		s.kernel.ForceID(kerneltest.IPv4, id)
		s.injectPayload(join(icmp4, make([]byte, 8)))
		p := s.next()
		if got := p.String(); got != want {
			s.Errorf("got  %s\nwant %s", got, want)
		}
		s.ok(p.Accept())
	})
}
