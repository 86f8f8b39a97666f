package queuetest_test

import (
	"testing"

	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/queue/queuetest"
)

func TestPacketString(t *testing.T) {
	cut := queuetest.TCP("10.0.0.1:1", "10.0.0.2:2", queuetest.TCPHeader{}, nil)
	cut.Payload = cut.Payload[:25]
	for want, p := range map[string]queuetest.Packet{
		"UDP 10.0.0.1:1 > 10.0.0.2:2, 30 bytes":   queuetest.UDP("10.0.0.1:1", "10.0.0.2:2", make([]byte, 2)),
		"UDP [fd00::1]:1 > [fd00::2]:2, 48 bytes": queuetest.UDP("[fd00::1]:1", "[fd00::2]:2", nil),
		"TCP 10.0.0.1:1 > 10.0.0.2:2 SYN ACK, 40 bytes": queuetest.TCP("10.0.0.1:1", "10.0.0.2:2",
			queuetest.TCPHeader{Flags: queuetest.SYN | queuetest.ACK}, nil),
		"TCP 10.0.0.1:1 > 10.0.0.2:2, 40 bytes":           queuetest.TCP("10.0.0.1:1", "10.0.0.2:2", queuetest.TCPHeader{}, nil),
		"TCP 10.0.0.1:1 > 10.0.0.2:2, 25 bytes":           cut,
		"ICMP 10.0.0.1 > 10.0.0.2 echo request, 28 bytes": queuetest.EchoRequest("10.0.0.1", "10.0.0.2", 1, 1, nil),
		"ICMPv6 fd00::1 > fd00::2 echo reply, 48 bytes":   queuetest.EchoReply("fd00::1", "fd00::2", 1, 1, nil),
		"ICMP 10.0.0.1 > 10.0.0.2 type 3, 28 bytes":       queuetest.IP("10.0.0.1", "10.0.0.2", 1, []byte{3, 1, 0, 0, 0, 0, 0, 0}),
		"ICMP 10.0.0.1 > 10.0.0.2, 20 bytes":              queuetest.IP("10.0.0.1", "10.0.0.2", 1, nil),
		"GRE 10.0.0.1 > 10.0.0.2, 20 bytes":               queuetest.IP("10.0.0.1", "10.0.0.2", 47, nil),
		"no IP, 0 bytes":                                  {},
		"no IP, 3 bytes":                                  {Payload: []byte{0x45, 0, 0}},
	} {
		if got := p.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestTCPFlagsString(t *testing.T) {
	if got, want := (queuetest.TCPFlags(0xff)).String(), "FIN SYN RST PSH ACK URG ECE CWR"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestDifference checks that at most four rows that differ are shown, and where
// one packet ends before the other.
func TestDifference(t *testing.T) {
	long := queuetest.UDP("10.0.0.1:1", "10.0.0.2:2", make([]byte, 100))
	short := queuetest.Packet{Payload: long.Payload[:40]}
	failing(t, func(t queuetest.TB) {
		k := queuetest.New(t, queuetest.Options{})
		decide(k, queue.Config{}, always(queue.Verdict{Action: queue.Accept, Payload: short.Payload, Raw: true}))
		k.Send(long).WantReplaced(long)
	}, "packet 1 (UDP 10.0.0.1:1 > 10.0.0.2:2, 128 bytes) was accepted and replaced by a different packet\n"+
		"\tgot  UDP 10.0.0.1:1 > 10.0.0.2:2, 40 bytes\n"+
		"\twant UDP 10.0.0.1:1 > 10.0.0.2:2, 128 bytes\n"+
		"\tgot  0020  00 00 00 00 00 00 00 00                          ........\n"+
		"\twant 0020  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................\n"+
		"\tgot  0030  nothing\n"+
		"\twant 0030  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................\n"+
		"\tgot  0040  nothing\n"+
		"\twant 0040  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................\n"+
		"\tgot  0050  nothing\n"+
		"\twant 0050  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................\n"+
		"\t...")
}
