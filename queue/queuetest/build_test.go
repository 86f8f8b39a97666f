package queuetest_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/checksum"
	"github.com/ipqueue/ipqueue/queue/queuetest"
)

// TestBytes compares packets with bytes that tcpdump and Wireshark accept as
// correct.
func TestBytes(t *testing.T) {
	for name, test := range map[string]struct {
		packet queuetest.Packet
		want   string // in hexadecimal; xxxx is a checksum, which TestChecksums looks at
	}{
		"UDP": {
			queuetest.UDP("10.0.0.1:5353", "10.0.0.2:53", []byte("hi")),
			"4500001e 00004000 4011xxxx 0a000001 0a000002" + "14e90035 000axxxx" + "6869",
		},
		"UDP, IPv6": {
			queuetest.UDP("[fd00::1]:5353", "[fd00::2]:53", []byte("hi")),
			"60000000 000a1140 fd000000000000000000000000000001 fd000000000000000000000000000002" + "14e90035 000axxxx" + "6869",
		},
		"TCP": {
			queuetest.TCP("10.0.0.1:1000", "10.0.0.2:80", queuetest.TCPHeader{
				Seq: 0x01020304, Ack: 0x05060708, Flags: queuetest.PSH | queuetest.ACK, Window: 0x0900,
			}, []byte("GET")),
			"4500002b 00004000 4006xxxx 0a000001 0a000002" + "03e80050 01020304 05060708 50180900 xxxx0000" + "474554",
		},
		"TCP with options": {
			queuetest.TCP("10.0.0.1:1000", "10.0.0.2:80", queuetest.TCPHeader{
				Flags: queuetest.SYN, Options: []byte{2, 4, 5, 0xb4},
			}, nil),
			"4500002c 00004000 4006xxxx 0a000001 0a000002" + "03e80050 00000000 00000000 6002ffff xxxx0000 020405b4",
		},
		"ping": {
			queuetest.EchoRequest("10.0.0.1", "10.0.0.2", 7, 1, []byte("x")),
			"4500001d 00004000 4001xxxx 0a000001 0a000002" + "0800xxxx 00070001" + "78",
		},
		"pong": {
			queuetest.EchoReply("10.0.0.1", "10.0.0.2", 7, 1, nil),
			"4500001c 00004000 4001xxxx 0a000001 0a000002" + "0000xxxx 00070001",
		},
		"ping, IPv6": {
			queuetest.EchoRequest("fd00::1", "fd00::2", 7, 1, nil),
			"60000000 00083a40 fd000000000000000000000000000001 fd000000000000000000000000000002" + "8000xxxx 00070001",
		},
		"pong, IPv6": {
			queuetest.EchoReply("fd00::1", "fd00::2", 7, 1, nil),
			"60000000 00083a40 fd000000000000000000000000000001 fd000000000000000000000000000002" + "8100xxxx 00070001",
		},
		"any": {
			queuetest.IP("10.0.0.1", "10.0.0.2", 47, []byte{1, 2}),
			"45000016 00004000 402fxxxx 0a000001 0a000002" + "0102",
		},
	} {
		got, want := hex.EncodeToString(test.packet.Payload), strings.ReplaceAll(test.want, " ", "")
		if len(got) == len(want) {
			for i := range want {
				if want[i] == 'x' {
					got = got[:i] + "x" + got[i+1:]
				}
			}
		}
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
}

// TestChecksums checks that the checksums of packets of many lengths are correct
// and never absent.
func TestChecksums(t *testing.T) {
	for n := range 70 {
		data := bytes.Repeat([]byte{byte(n)}, n)
		for _, p := range []queuetest.Packet{
			queuetest.UDP("10.0.0.1:1", "10.0.0.2:2", data),
			queuetest.UDP("[fd00::1]:1", "[fd00::2]:2", data),
			queuetest.TCP("10.0.0.1:1", "10.0.0.2:2", queuetest.TCPHeader{Seq: 1}, data),
			queuetest.TCP("[fd00::1]:1", "[fd00::2]:2", queuetest.TCPHeader{Seq: 1}, data),
			queuetest.EchoRequest("10.0.0.1", "10.0.0.2", 1, 2, data),
			queuetest.EchoReply("fd00::1", "fd00::2", 1, 2, data),
		} {
			if ok, err := checksum.Valid(p.Payload); !ok || err != nil {
				t.Errorf("%v: valid %t, %v", p, ok, err)
			}
		}
	}
	udp := queuetest.UDP("10.0.0.1:1", "10.0.0.2:2", nil).Payload
	if udp[26] == 0 && udp[27] == 0 {
		t.Error("the UDP checksum is absent")
	}
}

func TestMistakes(t *testing.T) {
	for want, build := range map[string]func(){
		`"10.0.0.1" is not an address with a port`:        func() { queuetest.UDP("10.0.0.1", "10.0.0.2:2", nil) },
		`"localhost:2" is not an address with a port`:     func() { queuetest.UDP("10.0.0.1:1", "localhost:2", nil) },
		`"10.0.0.1:1" is not an address without a port`:   func() { queuetest.EchoRequest("10.0.0.1:1", "10.0.0.2", 0, 0, nil) },
		"from 10.0.0.1 to fd00::1: both must be IPv4, or": func() { queuetest.UDP("10.0.0.1:1", "[fd00::1]:1", nil) },
		"a packet of 65536 bytes: IP allows 65535":        func() { queuetest.UDP("10.0.0.1:1", "10.0.0.2:1", make([]byte, 65508)) },
		"3 bytes":  func() { queuetest.TCP("10.0.0.1:1", "10.0.0.2:1", queuetest.TCPHeader{Options: make([]byte, 3)}, nil) },
		"44 bytes": func() { queuetest.TCP("10.0.0.1:1", "10.0.0.2:1", queuetest.TCPHeader{Options: make([]byte, 44)}, nil) },
	} {
		t.Run(want, func(t *testing.T) {
			defer func() {
				if s, ok := recover().(string); !ok || !strings.HasPrefix(s, "queuetest: ") || !strings.Contains(s, want) {
					t.Errorf("panic %q, want %q", s, want)
				}
			}()
			build()
		})
	}
}
