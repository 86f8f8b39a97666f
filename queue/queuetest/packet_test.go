package queuetest_test

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/queue/queuetest"
)

// TestMetadata sets every field of a Packet and checks that the program receives
// it.
func TestMetadata(t *testing.T) {
	sent := hello
	sent.Hook = queue.HookForward
	sent.Mark, sent.Priority = 7, 8
	sent.In, sent.Out = "eth0", "lo"
	sent.HardwareAddr = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	sent.Time = time.UnixMicro(1700000000000001)
	sent.Owner = &queuetest.Owner{UID: 1000, GID: 100}
	sent.SecurityContext = "system_u"
	sent.Conntrack = &queue.Conntrack{
		State: queue.CTEstablished, InReply: true,
		Original: queue.CTTuple{Flow: udpFlow("10.0.0.2:53", "192.0.2.1:40000"), Zone: 3},
		Reply:    queue.CTTuple{Flow: udpFlow("10.0.0.1:5000", "10.0.0.2:53")},
		Status:   queue.CTSeenReply | queue.CTConfirmed, Mark: 9, ID: 10, Timeout: 30 * time.Second,
		Zone: 2, Labels: queue.CTLabels{1, 1 << 63}, Helper: "tftp",
	}
	sent.ChecksumNotReady = true

	eachBackend(t, func(t *testing.T, o queuetest.Options) {
		nfqueue := o.Backend == queue.NFQueue
		k := queuetest.New(t, o)
		q := k.Open(queue.Config{Owner: nfqueue, SecurityContext: nfqueue, Conntrack: nfqueue})
		k.Send(sent)
		p := <-q.Packets()
		defer p.Accept()
		if p.Hook != queue.HookForward || p.Mark != 7 || p.HardwareAddr().String() != "02:00:00:00:00:01" || !p.Time().Equal(sent.Time) {
			t.Errorf("%+v, hardware address %v, time %v", p, p.HardwareAddr(), p.Time())
		}
		if !bytes.Equal(p.Payload, sent.Payload) || p.Family != queue.IPv4 || p.HWProtocol != 0x0800 {
			t.Errorf("family %v, protocol %#x, % x", p.Family, p.HWProtocol, p.Payload)
		}
		in, out := 0, 0
		if nfqueue {
			in, out = 2, 1
			checkNFQueue(t, p, sent)
		}
		if p.In().Index != in || p.Out().Index != out || p.In().Name() != "eth0" || p.Out().Name() != "lo" {
			t.Errorf("in %d %v, out %d %v; want %d eth0, %d lo", p.In().Index, p.In(), p.Out().Index, p.Out(), in, out)
		}
	})
}

func udpFlow(source, destination string) queue.Flow {
	return queue.Flow{Protocol: 17, Source: netip.MustParseAddrPort(source), Destination: netip.MustParseAddrPort(destination)}
}

// checkNFQueue checks the metadata that only nfnetlink_queue reports.
func checkNFQueue(t *testing.T, p queue.Packet, sent queuetest.Packet) {
	t.Helper()
	if uid, ok := p.UID(); uid != 1000 || !ok {
		t.Errorf("user %d, %t, want 1000", uid, ok)
	}
	if gid, ok := p.GID(); gid != 100 || !ok {
		t.Errorf("group %d, %t, want 100", gid, ok)
	}
	if p.Priority != 8 || p.SecurityContext() != "system_u" || p.ChecksumReady() {
		t.Errorf("priority %d, security context %q, checksum ready %t", p.Priority, p.SecurityContext(), p.ChecksumReady())
	}
	if c, ok := p.Conntrack(); !ok || c != *sent.Conntrack {
		t.Errorf("conntrack %t\n%+v, want\n%+v", ok, c, *sent.Conntrack)
	}
}

// TestNoMetadata checks a packet without metadata.
func TestNoMetadata(t *testing.T) {
	k := queuetest.New(t, queuetest.Options{})
	q := k.Open(queue.Config{Owner: true, SecurityContext: true, Conntrack: true})
	k.Send(hello)
	p := <-q.Packets()
	defer p.Accept()
	_, owned := p.UID()
	_, tracked := p.Conntrack()
	if owned || tracked || p.SecurityContext() != "" || p.HardwareAddr() != nil ||
		!p.Time().IsZero() || p.In() != (queue.Device{}) || !p.ChecksumReady() || p.GSO() || p.Hook != queue.HookPrerouting {
		t.Errorf("%+v is not empty", p)
	}
}

// TestFamily checks that the family is that of the payload.
func TestFamily(t *testing.T) {
	k := queuetest.New(t, queuetest.Options{})
	q := k.Open(queue.Config{})
	k.Send(queuetest.EchoRequest("fd00::1", "fd00::2", 1, 1, nil))
	p := <-q.Packets()
	defer p.Accept()
	if p.Family != queue.IPv6 || p.HWProtocol != 0x86dd {
		t.Errorf("family %v, protocol %#x, want IPv6", p.Family, p.HWProtocol)
	}
}
