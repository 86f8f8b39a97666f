package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
)

// Noise is what all that is sent is cut from, the same in every process, so
// that each byte can be checked wherever it is met.
type noise []byte

// period is prime, so that the noise repeats itself at no round distance.
const period = 65_521

func newNoise() noise {
	once, r := make(noise, period), rand.New(rand.NewPCG(1, 2))
	for i := range once {
		once[i] = byte(r.Uint32())
	}
	return append(once, once...)
}

// at is n bytes, at most period, from a place in the endless noise.
func (x noise) at(place uint64, n int) []byte { return x[place%period:][:n] }

// A datagram starts with its number and its length, and goes on with the noise
// that begins at its number. One that is too short for that has any content.
const datagramHead = 12

// datagram makes b the datagram of that number.
func (x noise) datagram(b []byte, number uint64) {
	if len(b) < datagramHead {
		return
	}
	binary.BigEndian.PutUint64(b, number)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)))
	copy(b[datagramHead:], x.at(number, len(b)-datagramHead))
}

var errChanged = errors.New("what was sent has been changed")

// check wants b to be a datagram, or the first bytes of one, and returns its
// number and length.
func (x noise) check(b []byte) (number uint64, length int, err error) {
	if len(b) < datagramHead {
		return 0, len(b), nil
	}
	number, length = binary.BigEndian.Uint64(b), int(binary.BigEndian.Uint32(b[8:]))
	rest := b[datagramHead:]
	if length > maxDatagram || len(b) > length || !bytes.Equal(rest, x.at(number, len(rest))) {
		err = fmt.Errorf("%w: %d bytes of a datagram that starts with % x", errChanged, len(b), b[:datagramHead])
	}
	return number, length, err
}

// A verifier wants the noise written to it, from its beginning.
type verifier struct {
	noise noise
	place uint64
}

func (v *verifier) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		n := min(len(rest), period)
		if !bytes.Equal(rest[:n], v.noise.at(v.place, n)) {
			return 0, fmt.Errorf("%w: a stream, in the %d bytes from byte %d on", errChanged, n, v.place)
		}
		v.place += uint64(n)
		rest = rest[n:]
	}
	return len(b), nil
}
