package main

import (
	"errors"
	"math/rand/v2"
	"net"
	"runtime"
	"testing"
)

func TestSinkArrive(t *testing.T) {
	s := &sink{noise: newNoise()}
	s.sent.Store(4)
	datagram := func(number uint64) []byte {
		b := make([]byte, 50)
		s.noise.datagram(b, number)
		return b
	}
	for _, test := range []struct {
		name string
		b    []byte
		ok   bool
	}{
		{"first", datagram(0), true},
		{"out of order", datagram(3), true},
		{"earlier", datagram(1), true},
		{"too short for a number", make([]byte, datagramHead-1), true},
		{"too short a second time", make([]byte, datagramHead-1), true},
		{"never sent", datagram(4), false},
		{"twice", datagram(3), false},
		{"cut", datagram(2)[:49], false},
		{"changed", append(datagram(2)[:49], ^datagram(2)[49]), false},
		{"after all that", datagram(2), true},
	} {
		if err := s.arrive(test.b); (err == nil) != test.ok {
			t.Errorf("%s: %v, want ok: %t", test.name, err, test.ok)
		}
	}
}

// Close returns the first error, even if more datagrams have arrived since.
func TestSinkClose(t *testing.T) {
	s, err := newSink("127.0.0.1", 0, newNoise())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("udp", s.conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range 3 {
		if _, err := conn.Write(make([]byte, datagramHead+1)); err != nil {
			t.Fatal(err)
		}
	}
	for s.seen.Load() < 3 {
		runtime.Gosched()
	}
	if err := s.Close(); !errors.Is(err, errChanged) {
		t.Errorf("Close = %v, want %v", err, errChanged)
	}
}

func TestSinkNext(t *testing.T) {
	s := &sink{noise: newNoise()}
	r := rand.New(rand.NewPCG(1, 2))
	for want := range uint64(1000) {
		b := s.next(r, make([]byte, maxDatagram))
		number, length, err := s.noise.check(b)
		if len(b) >= datagramHead && number != want || length != len(b) || err != nil {
			t.Fatalf("datagram %d of %d bytes: number %d, length %d, %v", want, len(b), number, length, err)
		}
	}
}
