package kerneltest

import (
	"bytes"
	"testing"
)

// tcp4 is a TCP packet with FIN and PSH set.
func tcp4(data string) []byte {
	b := make([]byte, 40)
	copy(b, []byte{0x45, 0, 0, byte(40 + len(data)), 0, 9, 0, 0, 64, protoTCP, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2})
	network.PutUint32(b[24:], 1000)
	b[32], b[33] = 0x50, 0x19
	return append(b, data...)
}

// valid checks a transport checksum: the sum over everything is all ones.
func valid(p []byte) bool {
	t, ok := findTransport(p)
	segment := p[t.offset:]
	s := sum(p[t.addresses:t.addresses+t.width]) + sum(segment) + uint32(t.protocol) + uint32(len(segment))
	return ok && fold(s) == 0xffff
}

// TestKnownChecksum checks UDP and TCP packets recorded from Linux 6.18 and 3.4.
func TestKnownChecksum(t *testing.T) {
	for _, tt := range []struct {
		packet string
		sum    int
	}{
		{"450000210064000040117c667f0000017f0000019c400009000d21b668656c6c6f", 26},
		{"60000000000e114000000000000000000000000000000001" +
			"00000000000000000000000000000001abba270e000ee8ff68656c6c6f36", 46},
		{"4500003c33b94000400609017f0000017f000001c1501e6161e6d1a40000" +
			"0000a00280189a3400000204400c0402080afffee21d0000000001030306", 36},
	} {
		want := unhex(t, tt.packet)
		p := Packet{Payload: bytes.Clone(want), Checksum: Partial}
		p.Payload[tt.sum], p.Payload[tt.sum+1] = 1, 1
		p.complete()
		if !bytes.Equal(p.Payload, want) || p.Checksum != Complete {
			t.Errorf("got %x, want %x", p.Payload, want)
		}
	}
}

// TestZeroChecksum checks a sum of 0, which UDP writes as all ones, and TCP as 0.
func TestZeroChecksum(t *testing.T) {
	udp := ipv4("\x00\x00")
	network.PutUint16(udp[28:], network.Uint16(udp[26:]))
	tcp := tcp4("\x00\x00")
	p := Packet{Payload: tcp, Checksum: Partial}
	p.complete()
	network.PutUint16(tcp[40:], network.Uint16(tcp[36:]))
	for _, tt := range []struct {
		packet []byte
		sum    int
		want   uint16
	}{{udp, 26, 0xffff}, {tcp, 36, 0}} {
		p := Packet{Payload: tt.packet, Checksum: Partial}
		p.complete()
		if got := network.Uint16(p.Payload[tt.sum:]); got != tt.want {
			t.Errorf("protocol %d: checksum is %#x, want %#x", tt.packet[9], got, tt.want)
		}
	}
}

func TestSegment(t *testing.T) {
	for name, tt := range map[string]struct {
		packet []byte
		size   int
		want   []string
	}{
		"TCP":         {tcp4("abcdefgh"), 3, []string{"abc", "def", "gh"}},
		"TCP exact":   {tcp4("abcdef"), 3, []string{"abc", "def"}},
		"UDP":         {ipv4("abcde"), 4, []string{"abcd", "e"}},
		"IPv6":        {ipv6("abcde"), 4, []string{"abcd", "e"}},
		"no TCP data": {tcp4(""), 4, []string{""}},
		"no data":     {ipv4(""), 4, []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			got := segment(&Packet{Payload: tt.packet, GSO: tt.size, Checksum: Partial, Mark: 3})
			if len(got) != len(tt.want) {
				t.Fatalf("%d segments, want %d", len(got), len(tt.want))
			}
			at := 0
			for i, p := range got {
				checkSegment(t, tt.packet, p, i, at, tt.want[i])
				at += len(tt.want[i])
			}
		})
	}
}

// TestRecordedSegments checks the first two packets of a UDP_SEGMENT send of 450
// bytes, as Linux 6.18 queued them, and the GSO packet that it queues with F_GSO.
func TestRecordedSegments(t *testing.T) {
	const addresses = "7f0000017f000001"
	data := bytes.Repeat([]byte("q"), 450)
	whole := append(unhex(t, "450001dee5cd40004011553f"+addresses+"9c40000901caffdd"), data...)
	got := segment(&Packet{Payload: whole, GSO: 100, Checksum: Partial})
	if len(got) != 5 {
		t.Fatalf("%d segments, want 5", len(got))
	}
	for i, head := range []string{"45000080e5cd40004011569d", "45000080e5ce40004011569c"} {
		want := append(unhex(t, head+addresses+"9c400009006c3ca2"), data[:100]...)
		if !bytes.Equal(got[i].Payload, want) {
			t.Errorf("segment %d is\n%x, want\n%x", i, got[i].Payload, want)
		}
	}
}

func checkSegment(t *testing.T, whole []byte, p Packet, i, at int, data string) {
	t.Helper()
	h, _ := findTransport(p.Payload)
	if got := string(p.Payload[h.offset+h.header:]); got != data {
		t.Errorf("segment %d has %q, want %q", i, got, data)
	}
	if !valid(p.Payload) || p.GSO != 0 || p.Checksum != Complete || p.Mark != 3 {
		t.Errorf("segment %d is %+v, want it complete", i, p)
	}
	if h.protocol == protoTCP {
		if seq := network.Uint32(p.Payload[h.offset+4:]); int(seq) != 1000+at {
			t.Errorf("segment %d has sequence number %d, want %d", i, seq, 1000+at)
		}
		last := at+len(data) == len(whole)-40
		if flags := p.Payload[33]; (flags == 0x19) != last {
			t.Errorf("segment %d has flags %#x, last is %v", i, flags, last)
		}
	}
	if h.width == 8 && fold(sum(p.Payload[:h.offset])) != 0xffff {
		t.Errorf("segment %d has a wrong header checksum", i)
	}
}

// TestTransportOfGarbage cuts packets at every length.
func TestTransportOfGarbage(t *testing.T) {
	options := tcp4("x")
	options[32] = 0xf0
	for _, whole := range [][]byte{options, ipv4("x"), ipv6("x"), tcp4("x"), bytes.Repeat([]byte{0x4f}, 64), bytes.Repeat([]byte{0x60}, 64)} {
		for n := range whole {
			p := Packet{Payload: bytes.Clone(whole[:n]), GSO: 1, Checksum: Partial}
			p.complete()
			if len(segment(&p)) == 0 {
				t.Errorf("%x has no segments", whole[:n])
			}
		}
	}
}
