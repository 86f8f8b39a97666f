package checksum

import (
	"bytes"
	"errors"
	"testing"

	"github.com/ipqueue/ipqueue/internal/ip"
)

// addSamples seeds f with every sample and bad packet.
func addSamples(f *testing.F) {
	for _, s := range samples {
		packet, _ := s.parse(f)
		f.Add(packet)
	}
	for _, c := range bad {
		f.Add(c.packet(f))
	}
}

func FuzzSum(f *testing.F) {
	for _, n := range []int{0, 1, 7, 8, 9, 20, 63, 64, 65, 127, 256, 1501} {
		f.Add(noise(n), uint(n/3), byte(n))
	}
	f.Fuzz(func(t *testing.T, data []byte, split uint, start byte) {
		// The fuzzer's own slices are aligned.
		b := append(make([]byte, start%64, 64+len(data)), data...)[start%64:]
		want := naiveSum(data)
		checkSum(t, b, want)
		n := int(split % uint(len(b)+1))
		if got := Fold(Combine(Sum(b[:n]), Sum(b[n:]), n)); got != want {
			t.Errorf("split at %d: Combine folds to %#04x, want %#04x", n, got, want)
		}
	})
}

// FuzzFix checks that Fix changes only checksum fields, that a second Fix
// changes nothing, and that the packet is then valid; or that Fix returns an
// error.
func FuzzFix(f *testing.F) {
	addSamples(f)
	f.Fuzz(func(t *testing.T, before []byte) {
		after := bytes.Clone(before)
		err := Fix(after)
		if changed := difference(before, after); len(changed) > 0 {
			checkChanges(t, before, changed, err)
		}
		valid, validErr := Valid(after)
		if validErr != err {
			t.Errorf("Fix says %v, Valid %v", err, validErr)
		}
		if want := err == nil || errors.Is(err, ErrLeftAlone); valid != want {
			t.Errorf("Fix says %v, then Valid = %v", err, valid)
		}
		again := bytes.Clone(after)
		if err2 := Fix(again); err2 != err {
			t.Errorf("Fix says %v, and then %v", err, err2)
		}
		if !bytes.Equal(again, after) {
			t.Errorf("Fix once:\n%x\ntwice:\n%x", after, again)
		}
	})
}

// difference returns the positions at which a and b differ.
func difference(a, b []byte) []int {
	var at []int
	for i := range a {
		if a[i] != b[i] {
			at = append(at, i)
		}
	}
	return at
}

// checkChanges checks that Fix has changed only positions where a checksum can
// be.
func checkChanges(t *testing.T, packet []byte, changed []int, err error) {
	t.Helper()
	if errors.Is(err, ErrTruncated) || errors.Is(err, ErrMalformed) {
		t.Fatalf("Fix says %v, but changed bytes %d", err, changed)
	}
	var transport int
	var protocol byte
	if err == nil {
		transport, protocol = findTransport(packet)
	}
	field := map[byte][2]int{1: {2, 4}, 2: {2, 4}, 6: {16, 18}, 17: {6, 8}, 33: {6, 8}, 58: {2, 4}, 132: {8, 12}, 136: {6, 8}}[protocol]
	for _, i := range changed {
		header := packet[0]>>4 == 4 && (i == 10 || i == 11)
		behind := i >= transport+field[0] && i < transport+field[1]
		if !header && !behind {
			t.Errorf("Fix of protocol %d at %d changed byte %d", protocol, transport, i)
		}
	}
}

// findTransport returns where the transport of a well-formed packet begins, and
// its protocol.
func findTransport(packet []byte) (int, byte) {
	at, protocol := int(packet[0]&0xf)*4, packet[9]
	if packet[0]>>4 == 6 {
		at, protocol = 40, packet[6]
	}
	for {
		n := 8
		switch {
		case protocol == 51:
			n = 8 + 4*int(packet[at+1])
		case packet[0]>>4 == 4:
			return at, protocol
		case protocol == 0 || protocol == 43 || protocol == 60:
			n = 8 + 8*int(packet[at+1])
		case protocol != 44:
			return at, protocol
		}
		at, protocol = at+n, packet[at]
	}
}

// FuzzResize checks that Resize changes only lengths, that a second Resize
// changes nothing, and that Fix then finds neither too few bytes nor too many.
func FuzzResize(f *testing.F) {
	addSamples(f)
	f.Fuzz(func(t *testing.T, before []byte) {
		after := bytes.Clone(before)
		if err := Resize(after); err != nil {
			if !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrMalformed) {
				t.Errorf("Resize: unexpected error %v", err)
			}
			if !bytes.Equal(before, after) {
				t.Errorf("Resize says %v, but changed bytes %d", err, difference(before, after))
			}
			return
		}
		if n, fault := ip.Length(after); n != len(after) || fault != ip.NoFault {
			t.Errorf("IP length %d, fault %d, want %d", n, fault, len(after))
		}
		if err := Fix(after); errors.Is(err, ErrTruncated) || err == errUDPLength {
			t.Errorf("Fix after Resize: %v", err)
		}
		again := bytes.Clone(after)
		if err := Resize(again); err != nil || !bytes.Equal(again, after) {
			t.Errorf("Resize again: %v, changed bytes %d", err, difference(after, again))
		}
	})
}

// FuzzUpdate changes a field of data, and compares Update with the sum of all.
func FuzzUpdate(f *testing.F) {
	f.Add(noise(40), uint(12), []byte{1, 2, 3, 4})
	f.Add([]byte{0, 0, 0xff, 0xff}, uint(2), []byte{0, 0})
	f.Fuzz(func(t *testing.T, data []byte, at uint, field []byte) {
		if len(field)%2 != 0 || len(field) > len(data) {
			return // no such field
		}
		data = bytes.Clone(data) // the fuzzer's is not to be changed
		n := int(at%uint(len(data)-len(field)+1)) &^ 1
		old := bytes.Clone(data[n : n+len(field)])
		before := ^naiveSum(data)
		copy(data[n:], field)
		after := ^naiveSum(data)
		if after == 0xffff && before != 0xffff {
			after = 0 // all zeros now, which Update cannot know
		}
		if got := Update(before, old, field); got != after {
			t.Errorf("Update(%#04x, %x, %x) = %#04x, want %#04x", before, old, field, got, after)
		}
		want := after
		switch {
		case before == 0:
			want = 0 // absent
		case after == 0:
			want = 0xffff
		}
		if got := UpdateUDP(before, old, field); got != want {
			t.Errorf("UpdateUDP(%#04x, %x, %x) = %#04x, want %#04x", before, old, field, got, want)
		}
	})
}
