package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
)

// A sink receives datagrams, and checks that each is as it was sent or as a verdict
// replaced it, and arrives only once. It also numbers the datagrams sent to it.
type sink struct {
	conn    *net.UDPConn
	noise   noise
	sent    atomic.Uint64
	seen    atomic.Uint64 // datagrams read, including wrong ones
	arrived []bool        // indexed by number
	ended   chan error    // receives the error of the goroutine that reads
}

func newSink(host string, port int, x noise) (*sink, error) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(host), Port: port})
	if err != nil {
		return nil, err
	}
	s := &sink{conn: conn, noise: x, ended: make(chan error, 1)}
	go func() { s.ended <- s.read() }()
	return s, nil
}

// next writes the next datagram into b. Its size is random, and mostly below the MTU
// of Ethernet.
func (s *sink) next(r *rand.Rand, b []byte) []byte {
	switch r.IntN(100) {
	case 0:
		b = b[:r.IntN(len(b)+1)]
	case 1:
	default:
		b = b[:r.IntN(1473)]
	}
	s.noise.datagram(b, s.sent.Add(1)-1)
	return b
}

// read reads until Close and returns the first error. It continues after an error,
// because a full receive buffer would drop the other datagrams.
func (s *sink) read() (err error) {
	b := make([]byte, 1<<16)
	for {
		n, rerr := s.conn.Read(b)
		if errors.Is(rerr, net.ErrClosed) {
			return err
		}
		if rerr == nil {
			rerr = s.arrive(b[:n])
		}
		if err == nil {
			err = rerr
		}
		s.seen.Add(1)
	}
}

// arrive fails unless b is a datagram that was sent and has not arrived before.
func (s *sink) arrive(b []byte) error {
	number, length, err := s.noise.check(b)
	switch {
	case err != nil:
		return fmt.Errorf("on arrival: %w", err)
	case len(b) < datagramHead:
		return nil
	case length != len(b):
		return fmt.Errorf("%w: %d of %d bytes of datagram %d arrived", errChanged, len(b), length, number)
	case number >= s.sent.Load():
		return fmt.Errorf("datagram %d arrived, of %d", number, s.sent.Load())
	}
	for uint64(len(s.arrived)) <= number {
		s.arrived = append(s.arrived, make([]bool, 1+len(s.arrived))...)
	}
	if s.arrived[number] {
		return fmt.Errorf("datagram %d arrived twice", number)
	}
	s.arrived[number] = true
	return nil
}

// Close ends the goroutine that reads and returns its error.
func (s *sink) Close() error {
	return errors.Join(s.conn.Close(), <-s.ended)
}
