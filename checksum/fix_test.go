package checksum

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

func TestFix(t *testing.T) {
	for _, s := range samples {
		t.Run(s.name, func(t *testing.T) {
			want, checks := s.parse(t)
			for _, stale := range []byte{0x01, 0x5a, 0xff} {
				got := bytes.Clone(want)
				for _, i := range checks {
					got[i] = stale
				}
				if err := Fix(got); err != s.left {
					t.Errorf("Fix of checksums %#02x: error %v, want %v", stale, err, s.left)
				}
				if !bytes.Equal(got, want) {
					t.Errorf("Fix of checksums %#02x:\ngot  %x\nwant %x", stale, got, want)
				}
			}
		})
	}
}

func TestValid(t *testing.T) {
	for _, s := range samples {
		t.Run(s.name, func(t *testing.T) {
			packet, checks := s.parse(t)
			before := bytes.Clone(packet)
			if valid, err := Valid(packet); !valid || err != s.left {
				t.Errorf("Valid = %v, %v, want true, %v", valid, err, s.left)
			}
			for _, i := range checks {
				for bit := range 8 {
					packet[i] ^= 1 << bit
					if valid, err := Valid(packet); valid || err != s.left {
						t.Errorf("byte %d changed to %#02x: Valid = %v, %v, want false, %v", i, packet[i], valid, err, s.left)
					}
					packet[i] ^= 1 << bit
				}
			}
			if !bytes.Equal(packet, before) {
				t.Errorf("Valid changed the packet:\ngot  %x\nwant %x", packet, before)
			}
		})
	}
}

// TestValidNoticesData changes each byte of packets that are covered to the
// last one, from the transport on.
func TestValidNoticesData(t *testing.T) {
	tests := []struct {
		name      string
		transport int
	}{
		{"ICMP echo", 20},
		{"IGMP", 24},
		{"SCTP", 20},
		{"TCP", 20},
		{"IPv6 TCP", 40},
		{"ICMPv6", 40},
	}
	for _, tt := range tests {
		packet := sampleBytes(t, tt.name)
		for i := tt.transport; i < len(packet); i++ {
			packet[i] ^= 0x10
			if valid, err := Valid(packet); valid || err != nil {
				t.Errorf("%s with byte %d changed: Valid = %v, %v, want false, nil", tt.name, i, valid, err)
			}
			packet[i] ^= 0x10
		}
	}
}

// TestZeroUDP tests UDP checksums of 0, which mean "no checksum" on IPv4 only.
func TestZeroUDP(t *testing.T) {
	tests := []struct {
		name   string
		field  int
		absent bool
	}{
		{"UDP", 26, true},
		{"IPv6 UDP", 46, false},
		{"IPv6 UDP whose checksum comes out as zero", 46, false},
		{"UDP-Lite, all covered", 26, false},
		{"IPv6 UDP-Lite", 46, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := sampleBytes(t, tt.name)
			got := bytes.Clone(want)
			binary.BigEndian.PutUint16(got[tt.field:], 0)
			if valid, err := Valid(got); valid != tt.absent || err != nil {
				t.Errorf("Valid = %v, %v, want %v, nil", valid, err, tt.absent)
			}
			if err := Fix(got); err != nil {
				t.Errorf("Fix: %v", err)
			}
			if tt.absent {
				binary.BigEndian.PutUint16(want[tt.field:], 0)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("Fix:\ngot  %x\nwant %x", got, want)
			}
		})
	}
}

// TestValidOtherZero checks that Valid accepts 0xffff in place of 0x0000: a
// receiver that sums cannot tell them apart.
func TestValidOtherZero(t *testing.T) {
	packet := sampleBytes(t, "ICMP echo")
	check, id := packet[22:24], packet[24:26]
	clear(packet[22:26])
	binary.BigEndian.PutUint16(id, ^naiveSum(packet[20:]))
	for _, zero := range []uint16{0x0000, 0xffff} {
		binary.BigEndian.PutUint16(check, zero)
		if valid, err := Valid(packet); !valid || err != nil {
			t.Errorf("checksum %#04x: Valid = %v, %v, want true, nil", zero, valid, err)
		}
	}
}

// A change makes a bad packet of a sample: it is cut to a length, if not 0, and
// some of its bytes get other values.
type change struct {
	sample string
	cut    int
	set    map[int]byte
	want   error
}

var bad = []change{
	{"TCP", 19, nil, errHeader},
	{"TCP", 1, nil, errHeader},
	{"TCP", 20, nil, errLength},
	{"TCP", 42, nil, errLength},
	{"IPv4 options", 27, nil, errLength},
	{"TCP", 0, map[int]byte{0: 0x55}, errVersion},
	{"TCP", 0, map[int]byte{0: 0x05}, errVersion},
	{"TCP", 0, map[int]byte{0: 0x44}, errHeaderLength},
	{"TCP", 0, map[int]byte{3: 19}, errTotalLength},
	{"IPv4 options", 0, map[int]byte{3: 27}, errTotalLength},

	{"IPv4 options", 0, map[int]byte{21: 0}, errOption},
	{"IPv4 options", 0, map[int]byte{21: 1}, errOption},
	{"IPv4 options", 0, map[int]byte{21: 9}, errOption},
	{"IPv4 options", 0, map[int]byte{27: 7}, errOption},
	{"loose source route under way", 0, map[int]byte{22: 10}, errSourceRoute},
	{"loose source route under way", 0, map[int]byte{23: 0}, errSourceRoute},
	{"loose source route under way", 0, map[int]byte{23: 3}, errSourceRoute},
	{"loose source route under way", 0, map[int]byte{23: 9}, errSourceRoute},
	{"loose source route under way", 0, map[int]byte{22: 7, 28: 137, 29: 3, 30: 4, 31: 0}, errSourceRoute},
	{"loose source route under way", 0, map[int]byte{22: 2, 23: 9, 24: 9}, errSourceRoute},

	{"TCP", 0, map[int]byte{3: 39}, errTransport},
	{"UDP", 0, map[int]byte{3: 27}, errTransport},
	{"UDP", 0, map[int]byte{25: 7}, errUDPLength},
	{"UDP", 0, map[int]byte{25: 0}, errUDPLength},
	{"UDP", 0, map[int]byte{25: 14}, errUDPLength},
	{"IPv6 UDP", 0, map[int]byte{45: 7}, errUDPLength},
	{"UDP without a checksum", 0, map[int]byte{25: 14}, errUDPLength},
	{"ICMP echo", 0, map[int]byte{3: 27}, errTransport},
	{"IGMP", 0, map[int]byte{3: 31}, errTransport},
	{"ICMPv6", 0, map[int]byte{5: 3}, errTransport},
	{"SCTP", 0, map[int]byte{3: 31}, errTransport},
	{"UDP-Lite, all covered", 0, map[int]byte{3: 27}, errTransport},
	{"UDP-Lite, partly covered", 0, map[int]byte{25: 7}, errCoverage},
	{"UDP-Lite, partly covered", 0, map[int]byte{25: 15}, errCoverage},
	{"DCCP, all covered", 0, map[int]byte{3: 31}, errTransport},
	{"DCCP, all covered", 0, map[int]byte{24: 2}, errDataOffset},
	{"DCCP, all covered", 0, map[int]byte{24: 6}, errDataOffset},
	{"DCCP, partly covered", 0, map[int]byte{25: 4}, errCoverage},
	{"IPv4 authentication header", 0, map[int]byte{21: 8}, errExtension},
	{"IPv4 authentication header", 0, map[int]byte{3: 27}, errExtension},

	{"IPv6 TCP", 39, nil, errHeader},
	{"IPv6 TCP", 40, nil, errLength},
	{"IPv6 TCP", 62, nil, errLength},
	{"IPv6 TCP", 0, map[int]byte{4: 1}, errLength},
	{"IPv6 TCP", 0, map[int]byte{5: 19}, errTransport},
	{"hop-by-hop and destination options", 0, map[int]byte{41: 4}, errExtension},
	{"hop-by-hop and destination options", 0, map[int]byte{5: 7}, errExtension},
	{"hop-by-hop and destination options", 0, map[int]byte{43: 5}, errOption},
	{"hop-by-hop and destination options", 0, map[int]byte{53: 11}, errOption},
	{"routing header under way", 0, map[int]byte{43: 3}, errRoute},
	{"routing header under way", 0, map[int]byte{41: 3}, errRoute},
	{"mobile IPv6, both ends away", 0, map[int]byte{43: 2}, errRoute},
	{"mobile IPv6, both ends away", 0, map[int]byte{71: 8}, errHomeAddress},
	{"segment routing header", 0, map[int]byte{43: 3}, errRoute},
	{"segment routing header", 0, map[int]byte{44: 2}, errRoute},
	{"RPL source route", 0, map[int]byte{43: 3}, errRoute},
	{"RPL source route", 0, map[int]byte{44: 0xdd}, errRoute},
	{"RPL source route", 0, map[int]byte{44: 0xe0}, errRoute},
	{"RPL source route", 0, map[int]byte{45: 0xf0}, errRoute},
	{"IPv6 authentication header", 0, map[int]byte{41: 7}, errExtension},
}

// packet returns the bad packet.
func (c change) packet(t testing.TB) []byte {
	packet := sampleBytes(t, c.sample)
	for i, b := range c.set {
		packet[i] = b
	}
	if c.cut > 0 {
		packet = packet[:c.cut:c.cut]
	}
	return packet
}

func TestBadPackets(t *testing.T) {
	for _, c := range bad {
		packet := c.packet(t)
		before := bytes.Clone(packet)
		if err := Fix(packet); err != c.want {
			t.Errorf("%s, cut to %d, set %v: Fix error %v, want %v", c.sample, c.cut, c.set, err, c.want)
		}
		if !bytes.Equal(packet, before) {
			t.Errorf("%s, cut to %d, set %v: Fix changed it", c.sample, c.cut, c.set)
		}
		if valid, err := Valid(packet); valid || err != c.want {
			t.Errorf("%s, cut to %d, set %v: Valid = %v, %v, want false, %v", c.sample, c.cut, c.set, valid, err, c.want)
		}
	}
}

func TestEmptyPacket(t *testing.T) {
	if err := Fix(nil); err != errHeader {
		t.Errorf("Fix(nil): error %v, want %v", err, errHeader)
	}
	if valid, err := Valid([]byte{}); valid || err != errHeader {
		t.Errorf("Valid of nothing = %v, %v, want false, %v", valid, err, errHeader)
	}
}

// TestErrorKinds checks that every error matches exactly one exported error.
func TestErrorKinds(t *testing.T) {
	kinds := []error{ErrLeftAlone, ErrTruncated, ErrMalformed}
	var errs []error
	for _, c := range bad {
		errs = append(errs, c.want)
	}
	for _, s := range samples {
		if s.left != nil {
			errs = append(errs, s.left)
		}
	}
	for _, err := range errs {
		n := 0
		for _, kind := range kinds {
			if errors.Is(err, kind) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%q matches %d of ErrLeftAlone, ErrTruncated and ErrMalformed, want 1", err, n)
		}
	}
}

// TestFixLongest tests packets of the greatest length that fits in their length
// fields, which GSO creates.
func TestFixLongest(t *testing.T) {
	for _, name := range []string{"TCP", "UDP", "IPv6 TCP", "IPv6 UDP"} {
		t.Run(name, func(t *testing.T) {
			packet := sampleBytes(t, name)
			length := 65535
			if packet[0]>>4 == 6 {
				length += 40
			}
			packet = append(packet, noise(length-len(packet))...)
			if err := Resize(packet); err != nil {
				t.Fatalf("Resize to %d: %v", length, err)
			}
			if valid, err := Valid(packet); valid || err != nil {
				t.Errorf("Valid before Fix = %v, %v, want false, nil", valid, err)
			}
			if err := Fix(packet); err != nil {
				t.Errorf("Fix: %v", err)
			}
			if got := naiveTransport(packet); got != 0xffff {
				t.Errorf("pseudo-header and transport sum up to %#04x, want 0xffff", got)
			}
		})
	}
}

// naiveTransport returns the sum of pseudo-header and transport of a packet
// without options or extension headers.
func naiveTransport(packet []byte) uint16 {
	var pseudo []byte
	if packet[0]>>4 == 4 {
		pseudo = append(pseudo, packet[12:20]...)
		pseudo = append(pseudo, 0, packet[9])
		pseudo = binary.BigEndian.AppendUint16(pseudo, uint16(len(packet)-20))
		return naiveSum(append(pseudo, packet[20:]...))
	}
	pseudo = append(pseudo, packet[8:40]...)
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(packet)-40))
	pseudo = append(pseudo, 0, 0, 0, packet[6])
	return naiveSum(append(pseudo, packet[40:]...))
}
