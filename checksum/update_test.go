package checksum

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
)

// fieldValues are values of a 2-byte field that stress carries and zeros.
var fieldValues = []uint16{0x0000, 0x0001, 0x00ff, 0x0100, 0x7fff, 0x8000, 0xfffe, 0xffff}

// TestUpdate changes fields of each size and compares with the sum of the whole.
func TestUpdate(t *testing.T) {
	for _, size := range []int{2, 4, 16} {
		t.Run(fmt.Sprint(size, " bytes"), func(t *testing.T) {
			data := noise(64)
			for at := 0; at+size <= len(data); at += 2 {
				for _, old := range fieldValues {
					for _, new := range fieldValues {
						checkUpdate(t, data, data[at:at+size], old, new)
					}
				}
			}
		})
	}
}

// checkUpdate changes field, a part of data, from words of the value old to
// words of the value new.
func checkUpdate(t *testing.T, data, field []byte, old, new uint16) {
	t.Helper()
	from, to := words(old, len(field)), words(new, len(field))
	copy(field, from)
	before := ^naiveSum(data)
	copy(field, to)
	if got, want := Update(before, from, to), ^naiveSum(data); got != want {
		t.Fatalf("Update(%#04x, %x, %x) = %#04x, want %#04x", before, from, to, got, want)
	}
}

// words returns n bytes of words of the given value.
func words(value uint16, n int) []byte {
	return bytes.Repeat([]byte{byte(value >> 8), byte(value)}, n/2)
}

// TestUpdateRFC1624 is the example of RFC 1624, section 4. The older equation
// of RFC 1141 gives 0xffff here.
func TestUpdateRFC1624(t *testing.T) {
	if got := Update(0xdd2f, []byte{0x55, 0x55}, []byte{0x32, 0x85}); got != 0x0000 {
		t.Errorf("Update(0xdd2f, 5555, 3285) = %#04x, want 0x0000", got)
	}
}

// TestUpdateNothing updates a field to its old value, also in data of zeros.
func TestUpdateNothing(t *testing.T) {
	for _, check := range fieldValues {
		for _, field := range [][]byte{{0, 0}, {0xff, 0xff}, {1, 2, 3, 4}} {
			if got := Update(check, field, field); got != check {
				t.Errorf("Update(%#04x, %x, %x) = %#04x, want no change", check, field, field, got)
			}
		}
	}
}

// TestUpdateFromZeros starts with data of zeros, whose checksum is 0xffff.
func TestUpdateFromZeros(t *testing.T) {
	for _, to := range fieldValues[1:] {
		new := words(to, 2)
		if got, want := Update(0xffff, []byte{0, 0}, new), ^naiveSum(new); got != want {
			t.Errorf("Update(0xffff, 0000, %x) = %#04x, want %#04x", new, got, want)
		}
	}
}

func TestUpdateUDP(t *testing.T) {
	tests := []struct {
		name            string
		check, old, new uint16
		want            uint16
	}{
		{"absent", 0x0000, 0x1234, 0x4321, 0x0000},
		{"like Update", 0x1234, 0x0001, 0x0002, 0x1233},
		{"to zero", 0x0001, 0x0001, 0x0002, 0xffff},
		{"from zero", 0xffff, 0x0002, 0x0001, 0x0001},
		{"zero to zero", 0xffff, 0x0000, 0xffff, 0xffff},
		{"zero unchanged", 0xffff, 0x1234, 0x1234, 0xffff},
	}
	for _, tt := range tests {
		if got := UpdateUDP(tt.check, words(tt.old, 2), words(tt.new, 2)); got != tt.want {
			t.Errorf("%s: UpdateUDP(%#04x, %04x, %04x) = %#04x, want %#04x", tt.name, tt.check, tt.old, tt.new, got, tt.want)
		}
	}
}

// TestUpdatePackets changes addresses and ports of packets, and compares with
// Fix of the whole.
func TestUpdatePackets(t *testing.T) {
	tests := []struct {
		name     string
		field    int // of the checksum
		at, size int // what changes
		update   func(check uint16, old, new []byte) uint16
		alsoIPv4 bool
	}{
		{"TCP", 36, 12, 4, Update, true},
		{"TCP", 36, 16, 4, Update, true},
		{"TCP", 36, 20, 2, Update, false},
		{"TCP", 36, 22, 2, Update, false},
		{"UDP", 26, 12, 4, UpdateUDP, true},
		{"UDP", 26, 22, 2, UpdateUDP, false},
		{"UDP without a checksum", 26, 16, 4, UpdateUDP, true},
		{"IPv6 TCP", 56, 8, 16, Update, false},
		{"IPv6 UDP", 46, 24, 16, UpdateUDP, false},
		{"IPv6 UDP", 46, 42, 2, UpdateUDP, false},
		{"ICMPv6", 42, 8, 16, Update, false},
		{"segment routing header", 94, 48, 16, UpdateUDP, false},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s at %d", tt.name, tt.at), func(t *testing.T) {
			got := sampleBytes(t, tt.name)
			field := got[tt.at : tt.at+tt.size]
			old := bytes.Clone(field)
			copy(field, noise(tt.size))
			check := got[tt.field:]
			binary.BigEndian.PutUint16(check, tt.update(binary.BigEndian.Uint16(check), old, field))
			if tt.alsoIPv4 {
				check := got[10:]
				binary.BigEndian.PutUint16(check, Update(binary.BigEndian.Uint16(check), old, field))
			}
			want := bytes.Clone(got)
			if err := Fix(want); err != nil {
				t.Fatalf("Fix: %v", err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("updated:\ngot  %x\nwant %x", got, want)
			}
		})
	}
}
