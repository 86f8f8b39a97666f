package queue_test

import (
	"encoding/binary"
	"testing"
)

// pattern is n bytes, each different from its neighbours.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8 + 1)
	}
	return b
}

// simUDP is a correct IPv4 or IPv6 packet of UDP.
func simUDP(six bool, data []byte) []byte {
	p := append(ipHeader(six, 17, 8+len(data)), 0x30, 0x39, 0, 53, 0, 0, 0, 0)
	p = append(p, data...)
	at := headerLen(p)
	binary.BigEndian.PutUint16(p[at+4:], uint16(8+len(data)))
	binary.BigEndian.PutUint16(p[at+6:], transportSum(p))
	return p
}

// simTCP is a correct IPv4 or IPv6 packet of TCP.
func simTCP(six bool, data []byte) []byte {
	p := append(ipHeader(six, 6, 20+len(data)),
		0x30, 0x39, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 5<<4, 0x18, 0x20, 0, 0, 0, 0, 0)
	p = append(p, data...)
	binary.BigEndian.PutUint16(p[headerLen(p)+16:], transportSum(p))
	return p
}

// ipHeader is a header for n bytes of the given protocol.
func ipHeader(six bool, protocol byte, n int) []byte {
	if six {
		h := make([]byte, 40, 40+n)
		h[0], h[6], h[7] = 0x60, protocol, 64
		binary.BigEndian.PutUint16(h[4:], uint16(n))
		h[8], h[23], h[24], h[39] = 0xfd, 1, 0xfd, 2
		return h
	}
	h := append(make([]byte, 0, 20+n), 0x45, 0, 0, 0, 0x12, 0x34, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2)
	binary.BigEndian.PutUint16(h[2:], uint16(20+n))
	binary.BigEndian.PutUint16(h[10:], ^onesSum(h))
	return h
}

func headerLen(p []byte) int {
	if p[0]>>4 == 6 {
		return 40
	}
	return 4 * int(p[0]&0xf)
}

// transportSum is the checksum of the packet's TCP or UDP, whose own field
// must be 0.
func transportSum(p []byte) uint16 {
	at, addresses, protocol := headerLen(p), p[12:20:20], p[9]
	if p[0]>>4 == 6 {
		addresses, protocol = p[8:40:40], p[6]
	}
	n := len(p) - at
	pseudo := append(append([]byte(nil), addresses...), byte(n>>24), byte(n>>16), byte(n>>8), byte(n), 0, 0, 0, protocol)
	sum := ^onesSum(append(pseudo, p[at:]...))
	if sum == 0 && protocol == 17 {
		return 0xffff
	}
	return sum
}

// onesSum is the sum of RFC 1071, the obvious way.
func onesSum(b []byte) uint16 {
	var sum uint64
	for i, v := range b {
		sum += uint64(v) << (8 * (1 - i%2))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

// wantCorrect fails the test unless lengths and checksums of the packet of TCP
// or UDP are right.
func wantCorrect(t testing.TB, p []byte) {
	t.Helper()
	at, length := headerLen(p), int(binary.BigEndian.Uint16(p[2:]))
	protocol := p[9]
	if p[0]>>4 == 6 {
		length, protocol = 40+int(binary.BigEndian.Uint16(p[4:])), p[6]
	} else if sum := onesSum(p[:at]); sum != 0xffff {
		t.Errorf("header sums up to %#04x, want 0xffff", sum)
	}
	if length != len(p) {
		t.Errorf("IP says %d bytes, want %d", length, len(p))
	}
	field := at + 16
	if protocol == 17 {
		field = at + 6
		if got := int(binary.BigEndian.Uint16(p[at+4:])); got != len(p)-at {
			t.Errorf("UDP says %d bytes, want %d", got, len(p)-at)
		}
	}
	zeroed := append([]byte(nil), p...)
	zeroed[field], zeroed[field+1] = 0, 0
	if got, want := binary.BigEndian.Uint16(p[field:]), transportSum(zeroed); got != want {
		t.Errorf("checksum is %#04x, want %#04x", got, want)
	}
}
