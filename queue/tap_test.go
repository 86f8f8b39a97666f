package queue_test

import (
	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/internal/sock"
)

// A tap stands between a queue and a simulated kernel: it sees how datagrams
// are grouped into system calls, and may change what is received.
type tap struct {
	*kerneltest.Kernel
	onReceive func(d *sock.Datagram)
	onSend    func(datagrams [][]byte)
}

type tapSocket struct {
	sock.Socket
	tap *tap
}

// tapped puts a tap before the simulation's kernel, for queues opened later.
func (s *sim) tapped() *tap {
	t := &tap{Kernel: s.kernel}
	s.ctx = sock.WithKernel(s.ctx, t)
	return t
}

// Open implements sock.Kernel.
func (t *tap) Open(c sock.Config) (sock.Socket, error) {
	s, err := t.Kernel.Open(c)
	if err != nil {
		return nil, err
	}
	return &tapSocket{s, t}, nil
}

// Receive implements sock.Socket.
func (s *tapSocket) Receive(batch []sock.Datagram, idle func() bool) (int, error) {
	n, err := s.Socket.Receive(batch, idle)
	for i := range batch[:n] {
		if s.tap.onReceive != nil {
			s.tap.onReceive(&batch[i])
		}
	}
	return n, err
}

// Send implements sock.Socket.
func (s *tapSocket) Send(datagrams [][]byte) (int, error) {
	if s.tap.onSend != nil {
		s.tap.onSend(datagrams)
	}
	return s.Socket.Send(datagrams)
}

// Request implements sock.Socket.
func (s *tapSocket) Request(datagrams [][]byte) (int, error) { return s.Send(datagrams) }
