package checksum

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// jumbogram returns an IPv6 packet of n bytes with a jumbo payload option, its
// transport being all zeros. It is not resized.
func jumbogram(protocol byte, n int) []byte {
	packet := make([]byte, n)
	packet[0] = 0x60
	packet[6] = 0
	copy(packet[8:], noise(32))
	copy(packet[40:], []byte{protocol, 0, 0xc2, 4, 0, 0, 0, 0})
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

// TestJumbogramUDP tests the UDP length in a jumbogram, which is 0.
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

// TestUDPLengthZero tests the UDP length 0 in a short IPv6 packet, which Linux
// receives as one that covers the whole payload.
func TestUDPLengthZero(t *testing.T) {
	packet := sampleBytes(t, "IPv6 UDP")
	clear(packet[44:46])
	if err := Fix(packet); err != nil {
		t.Fatalf("Fix: %v", err)
	}
	if packet[44] != 0 || packet[45] != 0 {
		t.Error("Fix changed the length")
	}
	pseudo := PseudoIPv6([16]byte(packet[8:]), [16]byte(packet[24:]), protoUDP, uint32(len(packet)-40))
	if got := Fold(pseudo + uint64(naiveSum(packet[40:]))); got != 0xffff {
		t.Errorf("pseudo-header and transport sum up to %#04x, want 0xffff", got)
	}
	if valid, err := Valid(packet); !valid || err != nil {
		t.Errorf("Valid = %t, %v", valid, err)
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

// TestNoLength tests packets whose length field is 0, so that the whole slice
// is the packet. The kernel's GSO packets are like that, with and without a
// jumbo payload option.
func TestNoLength(t *testing.T) {
	for _, name := range []string{"TCP", "UDP", "IPv4 options", "IPv4 authentication header", "loose source route under way",
		"IPv6 TCP", "ICMPv6", "hop-by-hop and destination options", "mobile IPv6, both ends away"} {
		for _, grow := range []int{0, 1, 131000} {
			packet := append(sampleBytes(t, name), noise(grow)...)
			want := bytes.Clone(packet)
			field := packet[2:4]
			if packet[0]>>4 == 6 {
				field = packet[4:6]
			}
			clear(field)
			if err := Resize(want); err != nil && err != errTooLong {
				t.Fatalf("%s of %d bytes: Resize: %v", name, len(packet), err)
			}
			if err := Fix(packet); err != nil {
				t.Fatalf("%s of %d bytes: Fix: %v", name, len(packet), err)
			}
			if valid, err := Valid(packet); !valid || err != nil {
				t.Errorf("%s of %d bytes: Valid = %v, %v, want true, nil", name, len(packet), valid, err)
			}
			if err := Resize(packet); err != nil {
				t.Errorf("%s of %d bytes: Resize: %v", name, len(packet), err)
			}
			if got := binary.BigEndian.Uint16(field) == 0; got != (grow > 65535) {
				t.Errorf("%s of %d bytes: length 0: %v", name, len(packet), got)
			}
			if grow < 65536 {
				if err := Fix(packet); err != nil {
					t.Fatalf("%s of %d bytes: Fix: %v", name, len(packet), err)
				}
				if err := Fix(want); err != nil || !bytes.Equal(packet, want) {
					t.Errorf("%s of %d bytes: %v\ngot  %x\nwant %x", name, len(packet), err, packet, want)
				}
			}
		}
	}
}

// TestMalformedOptions checks that Fix, Valid and Resize treat malformed
// options in all extension headers alike.
func TestMalformedOptions(t *testing.T) {
	for at, value := range map[int]byte{43: 9, 47: 1, 53: 11, 51: 30} {
		packet := sampleBytes(t, "hop-by-hop and destination options")
		packet[at] = value
		before := bytes.Clone(packet)
		if err := Fix(packet); err != errOption {
			t.Errorf("byte %d is %d: Fix: error %v, want %v", at, value, err, errOption)
		}
		if valid, err := Valid(packet); valid || err != errOption {
			t.Errorf("byte %d is %d: Valid = %v, %v, want false, %v", at, value, valid, err, errOption)
		}
		if err := Resize(packet); err != errOption {
			t.Errorf("byte %d is %d: Resize: error %v, want %v", at, value, err, errOption)
		}
		if !bytes.Equal(packet, before) {
			t.Errorf("byte %d is %d: it was changed", at, value)
		}
	}
}
