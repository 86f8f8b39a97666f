package checksum

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// TestResize cuts and grows packets, and looks for the lengths where they are.
// The bytes in which the packets differ before and after are all that Resize
// may change.
func TestResize(t *testing.T) {
	tests := []struct {
		name string
		ip   int // where the IP length is
		base int // what it does not count
		udp  int // where the UDP length is, 0 if there is none
	}{
		{"TCP", 2, 0, 0},
		{"UDP", 2, 0, 24},
		{"UDP without a checksum", 2, 0, 24},
		{"UDP-Lite, all covered", 2, 0, 0},
		{"DCCP, all covered", 2, 0, 0},
		{"SCTP", 2, 0, 0},
		{"IPv4 options", 2, 0, 32},
		{"IPv4 authentication header", 2, 0, 48},
		{"first fragment", 2, 0, 0},
		{"last fragment", 2, 0, 0},
		{"ESP", 2, 0, 0},
		{"IPv6 TCP", 4, 40, 0},
		{"IPv6 UDP", 4, 40, 44},
		{"no next header", 4, 40, 0},
		{"hop-by-hop and destination options", 4, 40, 68},
		{"atomic fragment", 4, 40, 52},
		{"IPv6 first fragment", 4, 40, 0},
		{"UDP behind an unknown routing header", 4, 40, 52},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, grow := range []int{0, 1, 8, 700} {
				got := append(sampleBytes(t, tt.name), noise(grow)...)
				want := bytes.Clone(got)
				binary.BigEndian.PutUint16(want[tt.ip:], uint16(len(got)-tt.base))
				if tt.udp != 0 {
					binary.BigEndian.PutUint16(want[tt.udp:], uint16(len(got)-tt.udp+4))
				}
				if err := Resize(got); err != nil {
					t.Errorf("Resize to %d: %v", len(got), err)
				}
				if !bytes.Equal(got, want) {
					t.Errorf("Resize to %d:\ngot  %x\nwant %x", len(got), got, want)
				}
			}
		})
	}
}

// TestResizeShrinks makes packets shorter, down to a UDP header without data.
func TestResizeShrinks(t *testing.T) {
	tests := []struct {
		name   string
		length int
		want   error
	}{
		{"TCP", 40, nil},
		{"TCP", 20, nil},
		{"TCP", 19, errHeader},
		{"IPv4 options", 27, errHeader},
		{"UDP", 28, nil},
		{"UDP", 27, errTransport},
		{"IPv6 UDP", 48, nil},
		{"IPv6 UDP", 47, errTransport},
		{"IPv6 UDP", 39, errHeader},
		{"atomic fragment", 47, errExtension},
	}
	for _, tt := range tests {
		packet := sampleBytes(t, tt.name)[:tt.length]
		before := bytes.Clone(packet)
		if err := Resize(packet); err != tt.want {
			t.Errorf("%s cut to %d: Resize error %v, want %v", tt.name, tt.length, err, tt.want)
		}
		if tt.want != nil && !bytes.Equal(packet, before) {
			t.Errorf("%s cut to %d: Resize changed it:\ngot  %x\nwant %x", tt.name, tt.length, packet, before)
		}
	}
}

// TestResizeLimits goes to the longest packets and past them.
func TestResizeLimits(t *testing.T) {
	tests := []struct {
		name   string
		length int
		want   error
	}{
		{"TCP", 65535, nil},
		{"TCP", 65536, errTooLong},
		{"UDP", 65536, errTooLong},
		{"IPv6 TCP", 65575, nil},
		{"IPv6 TCP", 65576, errTooLong},
		{"hop-by-hop and destination options", 65576, errTooLong},
	}
	for _, tt := range tests {
		packet := make([]byte, tt.length)
		copy(packet, sampleBytes(t, tt.name))
		before := bytes.Clone(packet)
		if err := Resize(packet); err != tt.want {
			t.Errorf("%s grown to %d: Resize error %v, want %v", tt.name, tt.length, err, tt.want)
		}
		if tt.want != nil && !bytes.Equal(packet, before) {
			t.Errorf("%s grown to %d: Resize changed it", tt.name, tt.length)
		}
	}
}

func TestResizeBad(t *testing.T) {
	tests := []struct {
		packet []byte
		want   error
	}{
		{nil, errHeader},
		{make([]byte, 100), errVersion},
		{append([]byte{0x44}, make([]byte, 99)...), errHeaderLength},
	}
	for _, tt := range tests {
		if err := Resize(tt.packet); err != tt.want {
			t.Errorf("Resize(%.8x): error %v, want %v", tt.packet, err, tt.want)
		}
	}
}
