package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/ipqueue/ipqueue/queue"
)

// packet4 and packet6 return unfragmented packets with the given transport and
// without checksums.
func packet4(protocol byte, transport []byte) []byte {
	b := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)+len(transport)))
	return append(b, transport...)
}

func packet6(protocol byte, transport []byte) []byte {
	b := append([]byte{0x60, 0, 0, 0, 0, 0, protocol, 64}, make([]byte, 32)...)
	binary.BigEndian.PutUint16(b[4:], uint16(len(transport)))
	return append(b, transport...)
}

func udp(text string) []byte {
	b := []byte{0, 1, 0, 2, 0, 0, 0xff, 0xff}
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)+len(text)))
	return append(b, text...)
}

func tcp(text string, options ...byte) []byte {
	b := make([]byte, 20, 60)
	b[12] = byte(20+len(options)) / 4 << 4
	return append(append(b, options...), text...)
}

func TestRewrite(t *testing.T) {
	for _, test := range []struct {
		name          string
		from, to, pad string
		packet        []byte
		want          string
		matches       int
		err           error
	}{
		{"longer in UDP", "b", "xyz", "", packet4(17, udp("abcb")), "axyzcxyz", 2, nil},
		{"shorter in UDP", "bc", "", "", packet6(17, udp("abcb")), "ab", 1, nil},
		{"padding is for TCP", "bc", "x", " ", packet4(17, udp("abc")), "ax", 1, nil},
		{"as long in TCP", "bc", "xy", "", packet6(6, tcp("abc")), "axy", 1, nil},
		{"padded in TCP", "bcd", "x", "-", packet4(6, tcp("abcd")), "ax--", 1, nil},
		{"padded to nothing in TCP", "bc", "", "-", packet4(6, tcp("abc")), "a--", 1, nil},
		{"behind TCP options", "b", "x", "", packet4(6, tcp("abc", 'b', 1, 1, 1)), "axc", 1, nil},
		{"longer in TCP", "b", "xy", " ", packet4(6, tcp("abc")), "", 1, errLength},
		{"shorter in TCP", "bc", "x", "", packet4(6, tcp("abc")), "", 1, errLength},
		{"absent", "d", "x", "", packet4(17, udp("abc")), "", 0, nil},
		{"in a header", "\x00\x01\x00\x02", "x", "", packet4(17, udp("abc")), "", 0, nil},
		{"other protocol", "b", "x", "", packet4(1, []byte("abcbabcbabcb")), "", 0, nil},
		{"cut UDP header", "\x01", "x", "", packet4(17, udp("")[:7]), "", 0, nil},
		{"cut TCP header", "b", "x", "", packet4(6, tcp("", 'b', 'b', 'b', 'b')[:23]), "", 0, nil},
		{"no IP", "b", "x", "", []byte("abc"), "", 0, nil},
		{"nothing", "b", "x", "", nil, "", 0, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &rewriter{from: []byte(test.from), to: []byte(test.to), pad: []byte(test.pad)}
			before := slices.Clone(test.packet)
			got, matches, err := r.rewrite(queue.Packet{Payload: test.packet})
			if matches != test.matches || !errors.Is(err, test.err) {
				t.Errorf("%d matches, %v, want %d, %v", matches, err, test.matches, test.err)
			}
			if matches > 0 && string(got) != test.want {
				t.Errorf("rewritten to %q, want %q", got, test.want)
			}
			if !bytes.Equal(test.packet, before) {
				t.Error("the packet itself was changed")
			}
		})
	}
}

// FuzzRewrite checks that each match changes the length by the same number of
// bytes, and by none in TCP.
func FuzzRewrite(f *testing.F) {
	f.Add(packet4(17, udp("abc")), []byte("b"), []byte("xyz"), byte(' '))
	f.Add(packet6(6, tcp("abc", 1, 1, 1, 0)), []byte("bc"), []byte("x"), byte(' '))
	f.Add(append(packet4(17, udp("00")), "00"...), []byte("0"), []byte(nil), byte(0))
	f.Fuzz(func(t *testing.T, packet, from, to []byte, pad byte) {
		if len(from) == 0 {
			return
		}
		r := &rewriter{from: from, to: to, pad: []byte{pad}}
		p := queue.Packet{Payload: packet}
		got, matches, err := r.rewrite(p)
		if matches == 0 || err != nil {
			return
		}
		growth := matches * (len(to) - len(from))
		if protocol, _ := p.Transport(); protocol == protoTCP {
			growth = 0
		}
		if len(got)-len(p.Data()) != growth {
			t.Errorf("%d matches make %d bytes of %d", matches, len(got), len(p.Data()))
		}
	})
}
