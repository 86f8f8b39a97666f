package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/ipqueue/ipqueue/checksum"
)

// maxDatagram is the most that fits into an IPv4 packet.
const maxDatagram = 65507

// A gate is held for reading by who sends. Who closes it has silence.
type gate = sync.RWMutex

// A source sends datagrams in bursts.
type source struct {
	conn net.Conn
	gate *gate
	next func(r *rand.Rand, b []byte) []byte // makes a datagram in b
}

// run sends until ctx ends.
func (s *source) run(ctx context.Context, r *rand.Rand) error {
	defer s.conn.Close()
	b := make([]byte, maxDatagram)
	for ctx.Err() == nil {
		if err := s.burst(r, b); err != nil {
			return err
		}
		pause(ctx, r, 8*time.Millisecond)
	}
	return nil
}

func (s *source) burst(r *rand.Rand, b []byte) error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	for range 1 + r.IntN(32) {
		// The socket's send buffer is charged for what is queued: the call
		// may have to wait for verdicts.
		_ = s.conn.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		_, err := s.conn.Write(s.next(r, b))
		if err != nil && !ordinary(err) {
			return err
		}
	}
	return nil
}

// ordinary reports whether sending may fail so: buffers are full of what is
// queued.
func ordinary(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.ENOBUFS)
}

// datagram has any size, mostly that of an ordinary packet.
func datagram(r *rand.Rand, b []byte) []byte {
	switch r.IntN(100) {
	case 0:
		return b[:r.IntN(len(b)+1)]
	case 1:
		return b
	}
	return b[:r.IntN(1473)]
}

// echoRequest is the message of RFC 792 with some data.
func echoRequest(r *rand.Rand, b []byte) []byte {
	const echo = 8
	b = b[:8+r.IntN(1400)]
	clear(b[:8])
	b[0] = echo
	binary.BigEndian.PutUint16(b[6:], uint16(r.Uint32()))
	binary.BigEndian.PutUint16(b[2:], ^checksum.Fold(checksum.Sum(b)))
	return b
}

// newSource dials. What comes back is not read.
func newSource(network, address string, g *gate, next func(*rand.Rand, []byte) []byte) (*source, error) {
	conn, err := net.Dial(network, address)
	if err != nil {
		return nil, err
	}
	if c, ok := conn.(interface{ SetReadBuffer(int) error }); ok {
		err = c.SetReadBuffer(1)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &source{conn, g, next}, nil
}

// A traffic is all that is sent in a round.
type traffic struct {
	main, child gate // what comes to mainQueue, and to childQueue
	sources     []*source
	sinks       []io.Closer
	listener    net.Listener
}

func newTraffic() (*traffic, error) {
	t := new(traffic)
	if err := errors.Join(t.listen(), t.dial()); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// listen opens what spares the sender an ICMP error for each datagram.
func (t *traffic) listen() error {
	for _, host := range []string{"127.0.0.1", "::1"} {
		for _, port := range []int{mainPort, childPort} {
			sink, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(host), Port: port})
			if err != nil {
				return err
			}
			t.sinks = append(t.sinks, sink)
			if err := sink.SetReadBuffer(1); err != nil {
				return err
			}
		}
	}
	var err error
	t.listener, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", tcpPort))
	if err == nil {
		t.sinks = append(t.sinks, t.listener)
	}
	return err
}

func (t *traffic) dial() error {
	for _, d := range []struct {
		network, address string
		gate             *gate
		next             func(*rand.Rand, []byte) []byte
	}{
		{"udp", fmt.Sprintf("127.0.0.1:%d", mainPort), &t.main, datagram},
		{"udp", fmt.Sprintf("127.0.0.1:%d", mainPort), &t.main, datagram},
		{"udp", fmt.Sprintf("[::1]:%d", mainPort), &t.main, datagram},
		{"udp", fmt.Sprintf("[::1]:%d", mainPort), &t.main, datagram},
		{"ip4:1", "127.0.0.1", &t.main, echoRequest},
		{"udp", fmt.Sprintf("127.0.0.1:%d", childPort), &t.child, datagram},
		{"udp", fmt.Sprintf("[::1]:%d", childPort), &t.child, datagram},
	} {
		s, err := newSource(d.network, d.address, d.gate, d.next)
		if err != nil {
			return err
		}
		t.sources = append(t.sources, s)
	}
	return nil
}

func (t *traffic) close() {
	for _, s := range t.sources {
		s.conn.Close()
	}
	for _, s := range t.sinks {
		s.Close()
	}
}

// run sends until ctx ends.
func (t *traffic) run(ctx context.Context, r *rand.Rand) error {
	var tasks tasks
	for _, s := range t.sources {
		tasks.start(r, func(r *rand.Rand) error { return s.run(ctx, r) })
	}
	tasks.start(r, func(r *rand.Rand) error { return t.stream(ctx, r) })
	tasks.start(r, func(*rand.Rand) error { return t.serve(ctx) })
	return tasks.wait()
}

// stream makes one TCP connection after the other.
func (t *traffic) stream(ctx context.Context, r *rand.Rand) error {
	for ctx.Err() == nil {
		t.connection(ctx, r)
		pause(ctx, r, 200*time.Millisecond)
	}
	return nil
}

// connection sends over a connection for a moment and then resets it, so that
// nothing is sent again behind a closed gate. Whether that works is up to what
// the verdicts are.
func (t *traffic) connection(ctx context.Context, r *rand.Rand) {
	t.main.RLock()
	defer t.main.RUnlock()
	d := net.Dialer{Timeout: 200 * time.Millisecond}
	conn, err := d.DialContext(ctx, "tcp", t.listener.Addr().String())
	if err != nil {
		return
	}
	defer reset(conn)
	_ = conn.SetDeadline(time.Now().Add(time.Duration(r.IntN(300)) * time.Millisecond))
	for b := make([]byte, 256<<10); err == nil && ctx.Err() == nil; {
		_, err = conn.Write(b)
		pause(ctx, r, 10*time.Millisecond)
	}
}

// reset ends a connection at once.
func reset(conn net.Conn) {
	_ = conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}

// serve reads what comes over connections.
func (t *traffic) serve(ctx context.Context) error {
	var readers sync.WaitGroup
	defer readers.Wait()
	defer context.AfterFunc(ctx, func() { t.listener.Close() })()
	for {
		conn, err := t.listener.Accept()
		if ctx.Err() != nil {
			if err == nil {
				reset(conn)
			}
			return nil
		}
		if err != nil {
			return err
		}
		readers.Go(func() {
			defer reset(conn)
			_ = conn.SetDeadline(time.Now().Add(time.Second))
			_, _ = io.Copy(io.Discard, conn)
		})
	}
}

// pause waits for a random time below limit, or until ctx ends.
func pause(ctx context.Context, r *rand.Rand, limit time.Duration) {
	t := time.NewTimer(upTo(r, limit))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// upTo returns a random time below limit.
func upTo(r *rand.Rand, limit time.Duration) time.Duration {
	return time.Duration(r.Int64N(int64(limit)))
}
