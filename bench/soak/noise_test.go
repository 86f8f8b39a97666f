package main

import (
	"errors"
	"slices"
	"testing"
)

func TestNoiseDatagram(t *testing.T) {
	x := newNoise()
	for _, number := range []uint64{0, 1, period - 1, period, 1 << 40} {
		for _, size := range []int{datagramHead, datagramHead + 1, 1500, maxDatagram} {
			b := make([]byte, size)
			x.datagram(b, number)
			for _, got := range [][]byte{b, b[:datagramHead+(size-datagramHead)/2]} {
				if n, length, err := x.check(got); n != number || length != size || err != nil {
					t.Errorf("%d bytes: number %d, length %d, %v, want %d, %d", len(got), n, length, err, number, size)
				}
			}
		}
	}
}

func TestNoiseShortDatagram(t *testing.T) {
	x := newNoise()
	for size := range datagramHead {
		b := make([]byte, size)
		x.datagram(b, 7)
		if _, length, err := x.check(b); length != size || err != nil {
			t.Errorf("%d bytes: length %d, %v", size, length, err)
		}
	}
}

func TestNoiseChanged(t *testing.T) {
	x := newNoise()
	whole := make([]byte, 100)
	x.datagram(whole, 77)
	if _, _, err := x.check(append(slices.Clone(whole), 0)); !errors.Is(err, errChanged) {
		t.Errorf("a byte too much: %v, want %v", err, errChanged)
	}
	for i := range whole {
		b := slices.Clone(whole)
		b[i] ^= 0x80
		if number, length, err := x.check(b); err == nil && number == 77 && length == 100 {
			t.Errorf("byte %d is changed, and nobody notices", i)
		}
	}
}

func TestVerifier(t *testing.T) {
	x := newNoise()
	v := verifier{noise: x}
	stream := slices.Concat(x.at(0, period), x.at(period, period), x.at(0, 5))
	for _, n := range []int{1, period, 0, period + 4} {
		if got, err := v.Write(stream[:n]); got != n || err != nil {
			t.Errorf("Write of %d bytes from byte %d on = %d, %v", n, v.place, got, err)
		}
		stream = stream[n:]
	}
	if _, err := v.Write(x.at(6, 3)); !errors.Is(err, errChanged) {
		t.Errorf("Write of the wrong bytes = %v, want %v", err, errChanged)
	}
}
