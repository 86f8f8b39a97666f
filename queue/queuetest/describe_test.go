package queuetest_test

import (
	"testing"

	"github.com/ipqueue/ipqueue/queue/queuetest"
)

func TestPacketString(t *testing.T) {
	cut := queuetest.TCP("10.0.0.1:1", "10.0.0.2:2", queuetest.TCPHeader{}, nil)
	cut.Payload = cut.Payload[:25]
	for want, p := range map[string]queuetest.Packet{
		"UDP 10.0.0.1:1 > 10.0.0.2:2, 30 bytes":           queuetest.UDP("10.0.0.1:1", "10.0.0.2:2", make([]byte, 2)),
		"UDP [fd00::1]:1 > [fd00::2]:2, 48 bytes":         queuetest.UDP("[fd00::1]:1", "[fd00::2]:2", nil),
		"TCP SYN|ACK 10.0.0.1:1 > 10.0.0.2:2, 40 bytes":   queuetest.TCP("10.0.0.1:1", "10.0.0.2:2", queuetest.TCPHeader{Flags: queuetest.SYN | queuetest.ACK}, nil),
		"TCP 10.0.0.1:1 > 10.0.0.2:2, 40 bytes":           queuetest.TCP("10.0.0.1:1", "10.0.0.2:2", queuetest.TCPHeader{}, nil),
		"TCP 10.0.0.1 > 10.0.0.2, 25 bytes":               cut,
		"ICMP echo request 10.0.0.1 > 10.0.0.2, 28 bytes": queuetest.EchoRequest("10.0.0.1", "10.0.0.2", 1, 1, nil),
		"ICMPv6 echo reply fd00::1 > fd00::2, 48 bytes":   queuetest.EchoReply("fd00::1", "fd00::2", 1, 1, nil),
		"ICMP type 3 10.0.0.1 > 10.0.0.2, 28 bytes":       queuetest.IP("10.0.0.1", "10.0.0.2", 1, []byte{3, 1, 0, 0, 0, 0, 0, 0}),
		"ICMP 10.0.0.1 > 10.0.0.2, 20 bytes":              queuetest.IP("10.0.0.1", "10.0.0.2", 1, nil),
		"IP protocol 47 10.0.0.1 > 10.0.0.2, 20 bytes":    queuetest.IP("10.0.0.1", "10.0.0.2", 47, nil),
		"not IP, 0 bytes":                                 {},
		"not IP, 3 bytes":                                 {Payload: []byte{0x45, 0, 0}},
	} {
		if got := p.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestTCPFlagsString(t *testing.T) {
	if got, want := (queuetest.TCPFlags(0xff)).String(), "FIN|SYN|RST|PSH|ACK|URG|ECE|CWR"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
