package queue_test

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/wire"
)

// eth1 is a second interface.
var eth1 = kerneltest.Device{Index: 1<<20 + 1, Name: "eth1"}

// TestPacketFields checks every field that both backends report.
func TestPacketFields(t *testing.T) {
	received := time.Unix(1234567890, 987654000)
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		s.injectPacket(kerneltest.Packet{
			Hook: kerneltest.Forward, Mark: 0xdeadbeef, In: eth0, Out: eth1, Time: received,
			Protocol: 0x86dd, HWType: 772, HWAddr: []byte{2, 0, 0, 0, 0, 0xff},
		})
		p := s.next()
		if p.Hook != queue.HookForward || p.Mark != 0xdeadbeef {
			s.Errorf("hook %v, mark %#x", p.Hook, p.Mark)
		}
		if !p.Time().Equal(received) {
			s.Errorf("time %v, want %v", p.Time(), received)
		}
		if got, want := p.HardwareAddr().String(), "02:00:00:00:00:ff"; got != want {
			s.Errorf("hardware address %s, want %s", got, want)
		}
		family, protocol, hwType := queue.IPv4, uint16(0x0800), uint16(0)
		in, out := device{int(eth0.Index), "eth0"}, device{int(eth1.Index), "eth1"}
		if s.isSix() {
			family = queue.IPv6
		}
		if !s.isNFQueue() {
			protocol, hwType = 0x86dd, 772
			in, out = device{0, "eth0"}, device{0, "eth1"}
		}
		if p.Family != family || p.HWProtocol != protocol || p.HWType != hwType {
			s.Errorf("family %v, protocol %#04x, type %d", p.Family, p.HWProtocol, p.HWType)
		}
		if deviceOf(p.In()) != in || deviceOf(p.Out()) != out {
			s.Errorf("in %v, out %v, want %v and %v", p.In(), p.Out(), in, out)
		}
		if !bytes.Equal(p.Payload, s.datagram(32)) || int(p.Length) != len(p.Payload) || p.Truncated() {
			s.Errorf("%d bytes of %d: % x", len(p.Payload), p.Length, p.Payload)
		}
		s.ok(p.Accept())
		s.quiet()
		if deviceOf(p.In()) != in || p.HardwareAddr().String() != "02:00:00:00:00:ff" || p.Mark != 0xdeadbeef {
			s.Error("the fields changed with the verdict")
		}
	})
}

// TestPacketAbsent checks a packet without any optional metadata.
func TestPacketAbsent(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		s.injectPacket(kerneltest.Packet{Hook: kerneltest.LocalOut})
		p := s.next()
		none := queue.Device{}
		if p.In() != none || p.Out() != none || p.PhysIn() != none || p.PhysOut() != none {
			s.Errorf("devices %v, %v, %v, %v, want none", p.In(), p.Out(), p.PhysIn(), p.PhysOut())
		}
		_, hasUID := p.UID()
		_, hasVLAN := p.VLAN()
		if !p.Time().IsZero() || p.HardwareAddr() != nil || p.LinkHeader() != nil || hasUID || hasVLAN || p.GSO() {
			s.Errorf("%+v is not empty", p)
		}
		if !p.ChecksumReady() {
			s.Error("the checksum is said not to be ready")
		}
	})
}

func TestPacketHooks(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		for h := range kerneltest.PostRouting + 1 {
			s.injectPacket(kerneltest.Packet{Hook: h})
			if got := s.next().Hook; got != queue.Hook(h) {
				s.Errorf("hook %v, want %v", got, queue.Hook(h))
			}
		}
	})
}

// TestPacketBridge checks the metadata of frames on a bridge.
func TestPacketBridge(t *testing.T) {
	header := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0}
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		for _, size := range []int{10, 240, 250, 4080, 9000} { // across the library's buffer sizes
			s.injectPacket(kerneltest.Packet{
				Family: kerneltest.Bridge, Protocol: 0x0800, In: eth0, PhysIn: eth1, Out: eth1, PhysOut: eth0,
				VLAN: &kerneltest.VLAN{Protocol: 0x88a8, TCI: 0xe123}, LinkHeader: header,
				Priority: 7, ClassID: 0x10001, Payload: s.datagram(size),
			})
			p := s.next()
			if p.Family != queue.Bridge || p.HWProtocol != 0x0800 || p.Priority != 7 || p.ClassID != 0x10001 {
				s.Errorf("family %v, protocol %#04x, priority %d, class %#x", p.Family, p.HWProtocol, p.Priority, p.ClassID)
			}
			if got := []int{p.In().Index, p.PhysIn().Index, p.Out().Index, p.PhysOut().Index}; got[0] != int(eth0.Index) ||
				got[1] != int(eth1.Index) || got[2] != int(eth1.Index) || got[3] != int(eth0.Index) {
				s.Errorf("devices %v", got)
			}
			tag, ok := p.VLAN()
			if want := (queue.VLAN{Protocol: 0x88a8, TCI: 0xe123}); !ok || tag != want || tag.ID() != 0x123 {
				s.Errorf("VLAN %+v %t, want %+v", tag, ok, want)
			}
			if !bytes.Equal(p.LinkHeader(), header) {
				s.Errorf("%d bytes: link header % x, want % x", size, p.LinkHeader(), header)
			}
			if !bytes.Equal(p.Payload, s.datagram(size)) {
				s.Errorf("%d bytes: payload % .40x", size, p.Payload)
			}
			s.ok(p.Accept())
			s.quiet()
		}
	})
}

// TestLinkHeaderEmpty checks a packet whose link header is empty, in memory
// that contained one before.
func TestLinkHeaderEmpty(t *testing.T) {
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		for _, header := range [][]byte{bytes.Repeat([]byte{0xee}, 14), {}} {
			s.injectPacket(kerneltest.Packet{Family: kerneltest.Bridge, LinkHeader: header})
			p := s.next()
			if got := p.LinkHeader(); len(got) != len(header) {
				s.Errorf("link header % x, want % x", got, header)
			}
			s.ok(p.Accept())
			s.quiet()
		}
	})
}

// TestSecurityContextLarge sends a large label with payloads of every size
// class.
func TestSecurityContextLarge(t *testing.T) {
	label := bytes.Repeat([]byte("label_"), 100)
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{SecurityContext: true})
		for _, n := range []int{0, 100, 900, 3800, 5000} {
			s.injectPacket(kerneltest.Packet{SecurityContext: label, Payload: s.datagram(n)})
			p := s.next()
			if p.SecurityContext() != string(label) || !bytes.Equal(p.Payload, s.datagram(n)) {
				s.Errorf("%d bytes: label of %d bytes, want %d", n, len(p.SecurityContext()), len(label))
			}
			s.ok(p.Accept())
			s.quiet()
		}
	})
}

// TestChecksumState checks ChecksumReady and ChecksumVerified.
func TestChecksumState(t *testing.T) {
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		for state, want := range map[kerneltest.Checksum][2]bool{
			kerneltest.Complete: {true, true}, kerneltest.Partial: {false, false}, kerneltest.Unverified: {true, false},
		} {
			s.injectPacket(kerneltest.Packet{Checksum: state})
			p := s.next()
			if got := [2]bool{p.ChecksumReady(), p.ChecksumVerified()}; got != want {
				s.Errorf("state %d: ready and verified %v, want %v", state, got, want)
			}
		}
	})
}

// TestPacketLargest sends the largest possible packets.
func TestPacketLargest(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		size, copied := 65535, 65535
		switch {
		case s.isNFQueue():
			copied = 65531 // what an attribute holds
		case s.isSix():
			size, copied = 65575, 65575
		}
		want := s.datagram(size - len(s.datagram(0)))
		for range 3 {
			j := s.injectPayload(want)
			p := s.next()
			if !bytes.Equal(p.Payload, want[:copied]) || int(p.Length) != size {
				s.Errorf("%d of %d bytes, want %d of %d", len(p.Payload), p.Length, copied, size)
			}
			if p.Truncated() != (copied < size) {
				s.Errorf("truncated %t", p.Truncated())
			}
			s.ok(p.Accept())
			s.fate(j, kerneltest.Accepted)
		}
	})
}

// TestPacketModes checks how much of the packet is copied in each mode.
func TestPacketModes(t *testing.T) {
	for m, want := range map[queue.Mode]int{
		queue.WholePacket: 1028, queue.Range(1): 1, queue.Range(1028): 1028, queue.Range(5000): 1028, queue.MetaOnly: 0,
	} {
		simulate(t, []kind{nfqueueKind, ipqueueKind}, kerneltest.Options{}, func(s *sim) {
			s.open(queue.Config{Mode: m})
			s.injectPayload(s.datagram(1000))
			p := s.next()
			if len(p.Payload) != want {
				s.Errorf("%v: %d bytes, want %d", m, len(p.Payload), want)
			}
			if cut := s.isNFQueue() && want == 1; cut && !p.Truncated() {
				s.Errorf("%v: not truncated", m)
			}
		})
	}
}

// TestClone stays when the payload is gone.
func TestClone(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		s.injectOne()
		p := s.next()
		clone := p.Clone()
		s.ok(p.Accept())
		s.inject(5)
		s.quiet()
		if !bytes.Equal(clone, s.datagram(32)) {
			s.Errorf("clone % x", clone)
		}
	})
}

// TestHWAddrTooLong sends an address length that exceeds the field.
func TestHWAddrTooLong(t *testing.T) {
	simulate(t, ipQueueKinds(), kerneltest.Options{}, func(s *sim) {
		tap := s.tapped()
		tap.onReceive = func(d *sock.Datagram) {
			if s.order().Uint16(d.Buf[4:]) == wire.IPQPacketType {
				at := map[int]int{8: 72, 4: 56}[s.words.WordSize()]
				d.Buf[16+at] = 200
				binary.BigEndian.PutUint64(d.Buf[16+at+1:], 0x0102030405060708)
			}
		}
		s.open(queue.Config{})
		s.injectOne()
		if got, want := s.next().HardwareAddr().String(), "01:02:03:04:05:06:07:08"; got != want {
			s.Errorf("hardware address %s, want %s", got, want)
		}
	})
}

// TestPayloadStays keeps packets of every size while thousands of others pass
// through the library's memory.
func TestPayloadStays(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		sizes := []int{0, 1, 200, 228, 229, 700, 1472, 4000, 4069, 9000, 60000}
		var kept []queue.Packet
		for _, n := range sizes {
			s.injectPayload(s.datagram(n))
			kept = append(kept, s.next())
		}
		for range 30 {
			for _, n := range sizes {
				other := s.datagram(n)
				clear(other[headerLen(other)+8:])
				s.injectPayload(other)
			}
			for _, p := range s.nextN(len(sizes)) {
				s.ok(p.Replace(p.Payload))
			}
			s.quiet()
		}
		for i, p := range kept {
			if !bytes.Equal(p.Payload, s.datagram(sizes[i])) {
				s.Errorf("the payload of %d bytes changed before its verdict", len(p.Payload))
			}
			if cap(p.Payload) != len(p.Payload) {
				s.Errorf("%d bytes of payload have room for %d", len(p.Payload), cap(p.Payload))
			}
		}
	})
}
