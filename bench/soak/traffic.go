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
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/ipqueue/ipqueue/checksum"
)

// maxDatagram is the number of bytes that fit into a UDP datagram over IPv4.
const maxDatagram = 65507

// A gate is locked for reading while packets are sent. To lock it for writing is to
// close it: then nothing is sent.
type gate = sync.RWMutex

// A source sends datagrams in bursts.
type source struct {
	conn net.Conn
	gate *gate
	next func(r *rand.Rand, b []byte) []byte // writes a datagram into b
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
		// Queued packets count against the send buffer of the socket, so Write
		// may have to wait for verdicts.
		_ = s.conn.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		_, err := s.conn.Write(s.next(r, b))
		if err != nil && !ordinary(err) {
			return err
		}
	}
	return nil
}

// ordinary reports whether err only means that buffers are full of queued packets.
func ordinary(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.ENOBUFS)
}

// echoRequest writes an ICMP echo request (RFC 792) into b. Its identifier is not 0,
// because the kernel's reply to a request of zeros has the wrong checksum 0 (Linux
// 6.18, net/ipv4/icmp.c, icmp_push_reply).
func echoRequest(r *rand.Rand, b []byte) []byte {
	const echo, identifier = 8, 7
	b = b[:8+r.IntN(1400)]
	clear(b[:8])
	b[0], b[5] = echo, identifier
	binary.BigEndian.PutUint16(b[6:], uint16(r.Uint32()))
	binary.BigEndian.PutUint16(b[2:], ^checksum.Fold(checksum.Sum(b)))
	return b
}

// newSource returns a source that sends to the address. It does not read replies.
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

// A traffic consists of all senders and receivers of a round.
type traffic struct {
	main, child gate // of packets for mainQueue (and secondQueue), and for childQueue
	sources     []*source
	sinks       map[string]*sink // indexed by address
	listener    net.Listener
	noise       noise
}

func newTraffic() (*traffic, error) {
	t := &traffic{noise: newNoise(), sinks: make(map[string]*sink)}
	if err := errors.Join(t.listen(), t.dial()); err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

// listen opens the receivers.
func (t *traffic) listen() error {
	for _, host := range []string{"127.0.0.1", "::1"} {
		for _, port := range []int{mainPort, childPort} {
			s, err := newSink(host, port, t.noise)
			if err != nil {
				return err
			}
			t.sinks[s.conn.LocalAddr().String()] = s
		}
	}
	var err error
	t.listener, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", tcpPort))
	return err
}

func (t *traffic) dial() error {
	pings, err := newSource("ip4:1", "127.0.0.1", &t.main, echoRequest)
	if err != nil {
		return err
	}
	t.sources = append(t.sources, pings)
	for _, d := range []struct {
		host  string
		port  int
		gate  *gate
		count int
	}{
		{"127.0.0.1", mainPort, &t.main, 2},
		{"::1", mainPort, &t.main, 2},
		{"127.0.0.1", childPort, &t.child, 1},
		{"::1", childPort, &t.child, 1},
	} {
		address := net.JoinHostPort(d.host, strconv.Itoa(d.port))
		for range d.count {
			s, err := newSource("udp", address, d.gate, t.sinks[address].next)
			if err != nil {
				return err
			}
			t.sources = append(t.sources, s)
		}
	}
	return nil
}

// close closes all sockets and returns the errors of the sinks.
func (t *traffic) close() (err error) {
	for _, s := range t.sources {
		s.conn.Close()
	}
	for _, s := range t.sinks {
		err = errors.Join(err, s.Close())
	}
	if t.listener != nil {
		t.listener.Close()
	}
	return err
}

// run sends until ctx ends.
func (t *traffic) run(ctx context.Context, r *rand.Rand) error {
	var tasks tasks
	for _, s := range t.sources {
		tasks.start(r, func(r *rand.Rand) error { return s.run(ctx, r) })
	}
	tasks.start(r, func(r *rand.Rand) error { return t.stream(ctx, r) })
	tasks.start(r, func(r *rand.Rand) error { return t.serve(ctx, r) })
	return tasks.wait()
}

// stream opens one TCP connection after the other.
func (t *traffic) stream(ctx context.Context, r *rand.Rand) error {
	for ctx.Err() == nil {
		t.connection(ctx, r)
		pause(ctx, r, 200*time.Millisecond)
	}
	return nil
}

// connection sends over a TCP connection for a short time and then resets it, so that
// TCP retransmits nothing while the gate is closed. It ignores errors, because verdicts
// may drop any packet.
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
	for sent := uint64(0); err == nil && ctx.Err() == nil; {
		var n int
		n, err = conn.Write(t.noise.at(sent, period))
		sent += uint64(n)
		pause(ctx, r, 10*time.Millisecond)
	}
}

// reset closes a connection immediately, without sending the remaining data.
func reset(conn net.Conn) {
	_ = conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}

// serve accepts connections and checks the bytes that arrive.
func (t *traffic) serve(ctx context.Context, r *rand.Rand) (err error) {
	var readers tasks
	defer func() { err = errors.Join(err, readers.wait()) }()
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
		readers.start(r, func(*rand.Rand) error { return t.verify(conn) })
	}
}

// verify checks the bytes of a connection until it ends in any way.
func (t *traffic) verify(conn net.Conn) error {
	defer reset(conn)
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	_, err := io.Copy(&verifier{noise: t.noise}, conn)
	if errors.Is(err, errChanged) {
		return err
	}
	return nil
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
