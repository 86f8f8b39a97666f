package checksum

import (
	"encoding/binary"
	"testing"
)

// jumbogram returns an IPv6 packet of n bytes with a jumbo payload option, its
// transport being all zeros. It is not resized.
func jumbogram(protocol byte, n int) []byte {
	packet := make([]byte, n)
	packet[0] = 0x60
	packet[6] = protoHopByHop
	copy(packet[8:], noise(32))
	copy(packet[40:], []byte{protocol, 0, optionJumbo, 4, 0, 0, 0, 0})
	return packet
}

func TestJumbogram(t *testing.T) {
	for _, protocol := range []byte{protoTCP, protoUDP, protoICMPv6} {
		packet := jumbogram(protocol, 48+1<<17+3)
		copy(packet[68:], noise(1<<17))
		if err := Resize(packet); err != nil {
			t.Fatalf("protocol %d: Resize: %v", protocol, err)
		}
		if got, want := binary.BigEndian.Uint32(packet[44:]), uint32(len(packet)-40); got != want {
			t.Errorf("protocol %d: jumbo payload length %d, want %d", protocol, got, want)
		}
		if got := binary.BigEndian.Uint16(packet[4:]); got != 0 {
			t.Errorf("protocol %d: payload length %d, want 0", protocol, got)
		}
		if err := Fix(packet); err != nil {
			t.Fatalf("protocol %d: Fix: %v", protocol, err)
		}
		pseudo := PseudoIPv6([16]byte(packet[8:]), [16]byte(packet[24:]), protocol, uint32(len(packet)-48))
		if got := Fold(pseudo + uint64(naiveSum(packet[48:]))); got != 0xffff {
			t.Errorf("protocol %d: pseudo-header and transport sum up to %#04x, want 0xffff", protocol, got)
		}
	}
}

// TestJumbogramUDP has the length of 0 that a UDP datagram of such a size gets.
func TestJumbogramUDP(t *testing.T) {
	packet := jumbogram(protoUDP, 48+1<<16)
	binary.BigEndian.PutUint16(packet[52:], 1234)
	if err := Resize(packet); err != nil {
		t.Fatalf("Resize: %v", err)
	}
	if got := binary.BigEndian.Uint16(packet[52:]); got != 0 {
		t.Errorf("UDP length %d, want 0", got)
	}
}

func TestBadJumbogram(t *testing.T) {
	tests := []struct {
		name   string
		length int
		set    map[int]byte
		fix    error
		resize error
	}{
		{"truncated", 1 << 17, map[int]byte{44: 1}, errLength, nil},
		{"too short for the option", 100, map[int]byte{47: 60}, errJumbo, errJumbo},
		{"at the most that the field can say", 65575, map[int]byte{46: 0xff, 47: 0xff}, errJumbo, errJumbo},
		{"option of another length", 1 << 17, map[int]byte{43: 3}, errJumbo, errJumbo},
		{"option past its header", 1 << 17, map[int]byte{43: 5}, errOption, errOption},
		{"header past the end", 100, map[int]byte{41: 20}, errExtension, errExtension},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			packet := jumbogram(protoTCP, tt.length)
			for i, b := range tt.set {
				packet[i] = b
			}
			if err := Fix(packet); err != tt.fix {
				t.Errorf("Fix: error %v, want %v", err, tt.fix)
			}
			if err := Resize(packet); err != tt.resize {
				t.Errorf("Resize: error %v, want %v", err, tt.resize)
			}
		})
	}
}

// TestHopByHopWithoutLength has a payload length of 0 and no option for it:
// the header itself is beyond the packet then.
func TestHopByHopWithoutLength(t *testing.T) {
	packet := sampleBytes(t, "hop-by-hop and destination options")
	binary.BigEndian.PutUint16(packet[4:], 0)
	if err := Fix(packet); err != errExtension {
		t.Errorf("Fix: error %v, want %v", err, errExtension)
	}
}
