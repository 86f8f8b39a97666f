package main

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/queue"
)

// unhex decodes hexadecimal bytes separated by spaces.
func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	// IPv4 headers from 10.0.0.1 to 10.0.0.2, without the protocol.
	ipv4Of36   = "4500 0024 0001 4000 40 %s 0000 0a000001 0a000002"
	ipv4Opts   = "4600 0028 0001 4000 40 %s 0000 0a000001 0a000002 01010100"
	ipv4Middle = "4500 0024 0001 0001 40 %s 0000 0a000001 0a000002"
	// An IPv6 header from fd00::1 to fd00::2, for 16 bytes of payload.
	ipv6Of56 = "60000000 0010 %s 40 fd000000000000000000000000000001 fd000000000000000000000000000002"

	udpHello = "0400 0035 0010 0000 68656c6c6f212121"
)

func packet(header, protocol, rest string) string {
	return strings.Replace(header, "%s", protocol, 1) + rest
}

func TestDescribe(t *testing.T) {
	for _, test := range []struct {
		name, packet string
		want         row
	}{
		{"UDP", packet(ipv4Of36, "11", udpHello), row{protocol: "UDP", from: "10.0.0.1:1024", to: "10.0.0.2:53", says: `"hello!!!"`}},
		{"UDP with options", packet(ipv4Opts, "11", udpHello), row{protocol: "UDP", from: "10.0.0.1:1024", to: "10.0.0.2:53", says: `"hello!!!"`}},
		{"UDP over IPv6", packet(ipv6Of56, "11", udpHello), row{protocol: "UDP", from: "[fd00::1]:1024", to: "[fd00::2]:53", says: `"hello!!!"`}},
		{"longer than it says", packet(ipv4Of36, "11", udpHello+"2020"), row{protocol: "UDP", from: "10.0.0.1:1024", to: "10.0.0.2:53", says: `"hello!!!"`}},
		{"UDP without data", packet(ipv4Of36, "11", udpHello[:19]), row{protocol: "UDP", from: "10.0.0.1:1024", to: "10.0.0.2:53"}},
		{"later fragment", packet(ipv4Middle, "11", udpHello), row{protocol: "UDP", from: "10.0.0.1", to: "10.0.0.2"}},
		{"cut", packet(ipv4Of36, "11", udpHello[:4]), row{protocol: "UDP", from: "10.0.0.1", to: "10.0.0.2"}},
		{"echo request", packet(ipv4Of36, "01", "0800 0000 0001 0001"), row{protocol: "ICMP", from: "10.0.0.1", to: "10.0.0.2", says: "echo request"}},
		{"echo reply", packet(ipv4Of36, "01", "0000 0000 0001 0001"), row{protocol: "ICMP", from: "10.0.0.1", to: "10.0.0.2", says: "echo reply"}},
		{"unreachable", packet(ipv4Of36, "01", "0301 0000 0000 0000"), row{protocol: "ICMP", from: "10.0.0.1", to: "10.0.0.2", says: "type 3"}},
		{"echo request over IPv6", packet(ipv6Of56, "3a", "8000 0000 0001 0001"), row{protocol: "ICMPv6", from: "fd00::1", to: "fd00::2", says: "echo request"}},
		{"another protocol", packet(ipv4Of36, "84", udpHello), row{protocol: "IP 132", from: "10.0.0.1:1024", to: "10.0.0.2:53"}},
		{"no payload", "", row{protocol: "?"}},
		{"half a header", "4500 0024 0001", row{protocol: "?"}},
		{"header longer than packet", "4f" + packet(ipv4Of36, "11", udpHello)[2:], row{protocol: "UDP", from: "10.0.0.1", to: "10.0.0.2"}},
		{"header shorter than any", "44" + packet(ipv4Of36, "11", udpHello)[2:], row{protocol: "?"}},
	} {
		got := describe(queue.Packet{Payload: unhex(t, test.packet)})
		if got != test.want {
			t.Errorf("%s: described as %+v, want %+v", test.name, got, test.want)
		}
	}
}

func TestExplainTCP(t *testing.T) {
	const header = "0400 0050 00000001 00000002 "
	for _, test := range []struct{ segment, want string }{
		{header + "5002 ffff 0000 0000", "SYN"},
		{header + "5012 ffff 0000 0000", "SYN ACK"},
		{header + "5018 ffff 0000 0000 6869", `PSH ACK "hi"`},
		{header + "6018 ffff 0000 0000 01010101 6869", `PSH ACK "hi"`}, // with options
		{header + "5011 ffff 0000 0000", "FIN ACK"},
		{header + "5004 ffff 0000 0000", "RST"},
		{header + "f010 ffff 0000 0000 6869", "ACK"}, // options past the end
		{header + "5010 ffff 0000", ""},              // cut
	} {
		if got := explainTCP(unhex(t, test.segment)); got != test.want {
			t.Errorf("explainTCP(%s) = %q, want %q", test.segment, got, test.want)
		}
	}
}

func TestQuoteLimit(t *testing.T) {
	text := strings.Repeat("x", 41)
	if got, want := quote([]byte(text), 0), `"`+text[:40]+`"...`; got != want {
		t.Errorf("quote = %s, want %s", got, want)
	}
}

// TestDescribeAnyPrefix cuts packets at every length: describe must not read
// past the end.
func TestDescribeAnyPrefix(t *testing.T) {
	for _, header := range []string{ipv4Of36, ipv4Opts, ipv4Middle, ipv6Of56} {
		for _, protocol := range []string{"01", "06", "11", "3a"} {
			whole := unhex(t, packet(header, protocol, udpHello))
			for n := range whole {
				describe(queue.Packet{Payload: whole[:n:n]})
			}
		}
	}
}
