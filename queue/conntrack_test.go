package queue_test

import (
	"bytes"
	"math"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/wire"
)

// simEntry is the entry of a UDP connection whose source is translated. Another
// call returns that of another connection.
func simEntry() *kerneltest.Conntrack {
	return &kerneltest.Conntrack{
		Original: kerneltest.Tuple{
			Source: netip.MustParseAddrPort("10.0.0.1:4000"), Destination: netip.MustParseAddrPort("192.0.2.1:53"), Protocol: 17,
		},
		Reply: kerneltest.Tuple{
			Source: netip.MustParseAddrPort("192.0.2.1:53"), Destination: netip.MustParseAddrPort("192.0.2.9:1024"), Protocol: 17, Zone: 4,
		},
		Status: 0x18, Timeout: 30, Mark: 5, ID: 77, Zone: 3, Labels: [2]uint64{1 << 1, 1 << 63},
	}
}

// wantEntry is simEntry as the application sees it.
var wantEntry = queue.Conntrack{
	State:    queue.CTEstablished,
	Original: queue.CTTuple{Flow: udpFlow("10.0.0.1:4000", "192.0.2.1:53")},
	Reply:    queue.CTTuple{Flow: udpFlow("192.0.2.1:53", "192.0.2.9:1024"), Zone: 4},
	Status:   queue.CTConfirmed | queue.CTSrcNAT,
	Timeout:  30 * time.Second, Mark: 5, ID: 77, Zone: 3, Labels: queue.CTLabels{1 << 1, 1 << 63},
}

func udpFlow(source, destination string) queue.Flow {
	return queue.Flow{Protocol: 17, Source: netip.MustParseAddrPort(source), Destination: netip.MustParseAddrPort(destination)}
}

// track runs a test on a nfnetlink_queue with Config.Conntrack.
func track(t *testing.T, test func(s *sim)) {
	t.Helper()
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{Conntrack: true})
		test(s)
	})
}

func TestConntrackState(t *testing.T) {
	track(t, func(s *sim) {
		for info, want := range []struct {
			state queue.CTState
			reply bool
		}{
			{queue.CTEstablished, false}, {queue.CTRelated, false}, {queue.CTNew, false},
			{queue.CTEstablished, true}, {queue.CTRelated, true}, {queue.CTNew, true},
			{}, {}, 256: {},
		} {
			if 8 <= info && info < 256 {
				continue
			}
			s.injectPacket(kerneltest.Packet{Conntrack: simEntry(), ConntrackInfo: uint32(info)})
			c, ok := s.next().Conntrack()
			if !ok || c.State != want.state || c.InReply != want.reply {
				s.Errorf("relation %d: %t, %v, reply %t; want %v, reply %t", info, ok, c.State, c.InReply, want.state, want.reply)
			}
		}
	})
}

func TestConntrackICMP(t *testing.T) {
	icmp := func(protocol uint8, source, destination string, kind uint8) kerneltest.Tuple {
		return kerneltest.Tuple{
			Source: netip.AddrPortFrom(netip.MustParseAddr(source), 0), Destination: netip.AddrPortFrom(netip.MustParseAddr(destination), 0),
			Protocol: protocol, ICMPType: kind, ICMPCode: 1, ICMPID: 9,
		}
	}
	track(t, func(s *sim) {
		for want, entry := range map[string]*kerneltest.Conntrack{
			"ICMP 10.0.0.1 > 10.0.0.2 type 8 code 1 id 9":   {Original: icmp(1, "10.0.0.1", "10.0.0.2", 8)},
			"ICMPv6 fd00::1 > fd00::2 type 128 code 1 id 9": {Original: icmp(58, "fd00::1", "fd00::2", 128)},
		} {
			s.injectPacket(kerneltest.Packet{Conntrack: entry})
			if c, ok := s.next().Conntrack(); !ok || c.Original.String() != want {
				s.Errorf("%t, tuple %v, want %s", ok, c.Original, want)
			}
		}
	})
}

// TestConntrackAbsent checks packets without an entry. They must not show the
// entry of another packet.
func TestConntrackAbsent(t *testing.T) {
	track(t, func(s *sim) {
		s.injectPacket(kerneltest.Packet{Conntrack: simEntry()})
		s.ok(s.next().Accept())
		s.quiet()
		s.injectOne()
		if c, ok := s.next().Conntrack(); ok || c != (queue.Conntrack{}) {
			s.Errorf("Conntrack = %v, %t, want none", c, ok)
		}
	})
	if c, ok := (queue.Packet{}).Conntrack(); ok || c != (queue.Conntrack{}) {
		t.Errorf("Conntrack of no packet = %v, %t, want none", c, ok)
	}
}

// An entry that cannot be decoded is none.
func TestConntrackDamaged(t *testing.T) {
	track(t, func(s *sim) {
		damaged := simEntry()
		damaged.Original.Source = netip.AddrPortFrom(netip.IPv6Loopback(), 1) // and an IPv4 destination
		s.injectPacket(kerneltest.Packet{Conntrack: damaged})
		if c, ok := s.next().Conntrack(); ok || c != (queue.Conntrack{}) {
			s.Errorf("Conntrack = %v, %t, want none", c, ok)
		}
	})
}

func TestConntrackString(t *testing.T) {
	plain := queue.Conntrack{
		State: queue.CTNew, Timeout: 30 * time.Second,
		Original: queue.CTTuple{Flow: udpFlow("10.0.0.1:4000", "192.0.2.1:53")},
		Reply:    queue.CTTuple{Flow: udpFlow("192.0.2.1:53", "10.0.0.1:4000")},
	}
	helped := plain
	helped.State, helped.InReply, helped.Helper, helped.Status = queue.CTRelated, true, "sip", queue.CTExpected|queue.CTAssured
	for want, c := range map[string]queue.Conntrack{
		"unknown, no IP, 0, 0s":                         {},
		"new, UDP 10.0.0.1:4000 > 192.0.2.1:53, 0, 30s": plain,
		"related reply, UDP 10.0.0.1:4000 > 192.0.2.1:53, expected|assured, 30s, helper sip": helped,
		"established, UDP 10.0.0.1:4000 > 192.0.2.1:53, answered by UDP 192.0.2.1:53 > 192.0.2.9:1024 zone 4, " +
			"zone 3, confirmed|src-nat, 30s, mark 0x5, labels 1,127": wantEntry,
	} {
		if got := c.String(); got != want {
			t.Errorf("String = %q, want %q", got, want)
		}
	}
}

func TestCTLabels(t *testing.T) {
	l := queue.CTLabels{1, 1 << 36}
	for n, want := range map[int]bool{0: true, 1: false, 100: true, 36: false, -1: false, 128: false, 127: false} {
		if got := l.Has(n); got != want {
			t.Errorf("Has(%d) = %t, want %t", n, got, want)
		}
	}
	if got := l.String(); got != "0,100" {
		t.Errorf("String = %q, want 0,100", got)
	}
}

func TestCTLabelsOf(t *testing.T) {
	if got := queue.CTLabelsOf(0, 63, 64, 127); got != (queue.CTLabels{1 | 1<<63, 1 | 1<<63}) {
		t.Errorf("labels %v, want 0,63,64,127", got)
	}
	for n := range 128 {
		l := queue.CTLabelsOf(n)
		if !l.Has(n) || l.String() != strconv.Itoa(n) {
			t.Errorf("label %d: got %v", n, l)
		}
		if got := queue.CTLabelsFromBytes(l.Bytes()); got != l {
			t.Errorf("label %d there and back is %v", n, got)
		}
	}
	for _, n := range []int{-1, 128, math.MaxInt, math.MinInt} {
		wantPanic(t, func() { queue.CTLabelsOf(n) }, "not from 0 to 127")
	}
}

// Bytes are those of the attribute that the kernel gets.
func TestCTLabelsBytes(t *testing.T) {
	l := queue.CTLabelsOf(2, 40, 99)
	change := wire.AppendCTChange(nil, &wire.CTChange{SetLabels: true, Labels: wire.CTLabels(l)})
	if got := l.Bytes(); !bytes.Equal(got[:], change[4:20]) {
		t.Errorf("bytes % x, want % x", got, change[4:20])
	}
}
