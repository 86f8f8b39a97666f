package load

import (
	"context"
	"encoding/binary"
	"net"
	"syscall"

	"github.com/ipqueue/ipqueue/checksum"
)

// A connection has the methods that net.UDPConn and net.IPConn share.
type connection interface {
	net.Conn
	syscall.Conn
	SetReadBuffer(int) error
	SetWriteBuffer(int) error
}

func floodUDP(ctx context.Context, s Spec, m *Meter) error {
	conn, err := net.DialUDP("udp4", nil, sinkAddr())
	if err != nil {
		return err
	}
	n := max(s.Segments, 1)
	if n > 1 && !segments(conn, s.Size) {
		n = 1
	}
	return flood(ctx, conn, make([]byte, n*s.Size), n, s.SendBuffer, m)
}

// NewSink returns a socket that receives floods of UDP datagrams, so that the kernel
// sends no ICMP error for each. The socket drops all but the first few. It must stay
// open until the last datagram of a flood has left the queue.
func NewSink() (*net.UDPConn, error) {
	sink, err := net.ListenUDP("udp4", sinkAddr())
	if err != nil {
		return nil, err
	}
	return sink, sink.SetReadBuffer(1)
}

func sinkAddr() *net.UDPAddr {
	return &net.UDPAddr{IP: net.ParseIP(loopback), Port: FloodPort}
}

func floodICMP(ctx context.Context, s Spec, m *Meter) error {
	conn, err := net.DialIP("ip4:1", nil, &net.IPAddr{IP: net.ParseIP(loopback)})
	if err != nil {
		return err
	}
	return flood(ctx, conn, echoRequest(s.Size), 1, s.SendBuffer, m)
}

// echoRequest returns an ICMP echo request (RFC 792) with n bytes of data. Its
// identifier is not 0, because the kernel's reply to a request of zeros has the wrong
// checksum 0 (Linux 6.18, net/ipv4/icmp.c, icmp_push_reply).
func echoRequest(n int) []byte {
	const echo, identifier = 8, 7
	b := make([]byte, 8+n)
	b[0], b[5] = echo, identifier
	binary.BigEndian.PutUint16(b[2:], ^checksum.Fold(checksum.Sum(b)))
	return b
}

// flood sends payload, which becomes n packets, again and again until ctx ends. It
// does not read replies; the socket drops them.
func flood(ctx context.Context, conn connection, payload []byte, n, sendBuffer int, m *Meter) error {
	defer conn.Close()
	if err := conn.SetWriteBuffer(sendBuffer); err != nil {
		return err
	}
	if err := conn.SetReadBuffer(1); err != nil {
		return err
	}
	batch, err := newBatch(conn, payload)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		messages, err := batch.send()
		m.sent.Add(uint64(n * messages))
		if err != nil {
			return err
		}
	}
	return nil
}
