package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
)

// Noise is an endless sequence of random bytes, the same in every process. Everything
// that is sent is a part of it, so that each byte can be checked at any place.
type noise []byte

// period is the length after which the noise repeats itself. It is prime, so that the
// noise does not repeat at a distance that is typical of buffers.
const period = 65_521

func newNoise() noise {
	once, r := make(noise, period), rand.New(rand.NewPCG(1, 2))
	for i := range once {
		once[i] = byte(r.Uint32())
	}
	return append(once, once...)
}

// at returns n bytes, at most period, that start at a place in the noise.
func (x noise) at(place uint64, n int) []byte { return x[place%period:][:n] }

// datagramHead is the length of the head of a datagram: its number and its length. The
// rest is the noise at the place of its number. Shorter datagrams have any content.
const datagramHead = 12

// datagram writes the datagram with that number into b.
func (x noise) datagram(b []byte, number uint64) {
	if len(b) < datagramHead {
		return
	}
	binary.BigEndian.PutUint64(b, number)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)))
	copy(b[datagramHead:], x.at(number, len(b)-datagramHead))
}

var errChanged = errors.New("what was sent has been changed")

// check returns the number and the length of a datagram of which b is the whole or the
// beginning. It fails if b has another content.
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

// A verifier is a Writer that fails unless the bytes written to it are the noise, from
// its beginning.
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
