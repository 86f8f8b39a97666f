package checksum

import (
	"net"
	"testing"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/ipqueue/ipqueue/internal/ip"
)

// The header parsers of golang.org/x/net serve as a second oracle. Elsewhere
// than on Linux, ipv4.ParseHeader expects host order in two fields.

func TestDissectIPv4LikeXNet(t *testing.T) {
	for _, s := range samples {
		packet, _ := s.parse(t)
		if packet[0]>>4 != 4 {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			h, err := ipv4.ParseHeader(packet)
			if err != nil {
				t.Fatalf("ipv4.ParseHeader: %v", err)
			}
			var d datagram
			err = d.dissect(packet)
			if got, want := err == errFragment, h.Flags&ipv4.MoreFragments != 0 || h.FragOff != 0; got != want {
				t.Errorf("fragment: %v, want %v", got, want)
			}
			if got := len(d.header()); got != h.Len {
				t.Errorf("header of %d bytes, want %d", got, h.Len)
			}
			if got, fault := ip.Length(packet); got != h.TotalLen || fault != ip.NoFault {
				t.Errorf("Length = %d, fault %d, want %d", got, fault, h.TotalLen)
			}
			if got := net.IP(d.Source(packet)); !got.Equal(h.Src) {
				t.Errorf("source %v, want %v", got, h.Src)
			}
			if got := IPv4Header(d.header()); got != uint16(h.Checksum) {
				t.Errorf("IPv4Header = %#04x, want %#04x", got, h.Checksum)
			}
		})
	}
}

// TestMarshalledIPv4 tests headers that golang.org/x/net has encoded.
func TestMarshalledIPv4(t *testing.T) {
	for _, options := range [][]byte{nil, {1, 1, 1, 0}, {0x94, 4, 0, 0}} {
		h := ipv4.Header{
			Version: 4, Len: ipv4.HeaderLen + len(options), TotalLen: ipv4.HeaderLen + len(options) + 20,
			ID: 7, Flags: ipv4.DontFragment, TTL: 64, Protocol: protoTCP,
			Src: net.IPv4(192, 0, 2, 1), Dst: net.IPv4(198, 51, 100, 2), Options: options,
		}
		header, err := h.Marshal()
		if err != nil {
			t.Fatalf("Marshal: %v", err)
		}
		packet := append(header, noise(20)...)
		if err := Fix(packet); err != nil {
			t.Fatalf("options %x: Fix: %v", options, err)
		}
		fixed, err := ipv4.ParseHeader(packet)
		if err != nil {
			t.Fatalf("options %x: ipv4.ParseHeader: %v", options, err)
		}
		if got, want := uint16(fixed.Checksum), ^naiveSum(header); got != want {
			t.Errorf("options %x: header checksum %#04x, want %#04x", options, got, want)
		}
		pseudo := PseudoIPv4([4]byte(fixed.Src.To4()), [4]byte(fixed.Dst.To4()), protoTCP, 20)
		if got := Fold(pseudo + Sum(packet[fixed.Len:])); got != 0xffff {
			t.Errorf("options %x: transport sums up to %#04x, want 0xffff", options, got)
		}
	}
}

func TestDissectIPv6LikeXNet(t *testing.T) {
	for _, s := range samples {
		packet, _ := s.parse(t)
		if packet[0]>>4 != 6 {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			h, err := ipv6.ParseHeader(packet)
			if err != nil {
				t.Fatalf("ipv6.ParseHeader: %v", err)
			}
			if got, fault := ip.Length(packet); got != ipv6.HeaderLen+h.PayloadLen || fault != ip.NoFault {
				t.Errorf("Length = %d, fault %d, want %d", got, fault, ipv6.HeaderLen+h.PayloadLen)
			}
			var d datagram
			if err := d.dissect(packet); err != nil || d.Transport != ipv6.HeaderLen {
				return // extension headers
			}
			if int(d.Protocol) != h.NextHeader {
				t.Errorf("protocol %d, want %d", d.Protocol, h.NextHeader)
			}
			if got := net.IP(d.Source(packet)); !got.Equal(h.Src) {
				t.Errorf("source %v, want %v", got, h.Src)
			}
			if got := d.Destination6(packet); !net.IP(got[:]).Equal(h.Dst) {
				t.Errorf("destination %v, want %v", got, h.Dst)
			}
		})
	}
}

// TestResizeLikeXNet reads back the lengths that Resize has set.
func TestResizeLikeXNet(t *testing.T) {
	for _, name := range []string{"UDP", "IPv4 options", "IPv6 UDP"} {
		packet := append(sampleBytes(t, name), noise(300)...)
		if err := Resize(packet); err != nil {
			t.Fatalf("%s: Resize: %v", name, err)
		}
		var length int
		if packet[0]>>4 == 4 {
			h, err := ipv4.ParseHeader(packet)
			if err != nil {
				t.Fatalf("%s: ipv4.ParseHeader: %v", name, err)
			}
			length = h.TotalLen
		} else {
			h, err := ipv6.ParseHeader(packet)
			if err != nil {
				t.Fatalf("%s: ipv6.ParseHeader: %v", name, err)
			}
			length = ipv6.HeaderLen + h.PayloadLen
		}
		if length != len(packet) {
			t.Errorf("%s: IP length %d, want %d", name, length, len(packet))
		}
	}
}
