// Package load makes the packets that a queue is measured with. A generator
// runs in a process of its own, so that its work is not taken for the queue's.
//
// The packets leave through the output hook of the process's network
// namespace, where a rule queues them. While a packet is queued it counts
// against the send buffer of the socket that sent it, also if it is one of many
// that the kernel made of a message (net/ipv4/udp_offload.c, __udp_gso_segment):
// a generator goes as fast as the queue lets it and loses nothing, if its send
// buffer holds fewer packets than the queue and its socket do.
package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// A Kind is what a generator sends.
type Kind string

// The kinds of load.
const (
	UDP      Kind = "udp"     // a flood of datagrams over loopback
	ICMP     Kind = "icmp"    // a flood of echo requests over loopback, whose replies are queued as well
	TCP      Kind = "tcp"     // a stream over a veth pair
	OneByOne Kind = "latency" // datagrams over loopback, each sent when the one before has arrived
)

// Where the packets go, for the rules that queue them.
const (
	FloodPort   = 4000 // UDP; a Sink must be there
	StreamPort  = 4001 // TCP
	LatencyPort = 4002 // UDP
	// Host is the address of the link to the peer namespace, Peer the one at
	// its other end.
	Host = "10.77.0.1"
	Peer = "10.77.0.2"

	loopback = "127.0.0.1"
)

// A Spec says what to generate.
type Spec struct {
	Kind Kind
	// Size is the number of bytes in a datagram or echo request, without its
	// headers.
	Size int
	// Segments is how many datagrams the kernel makes of one message of a flood
	// (UDP_SEGMENT, Linux 4.18; before, of each message one). Then sending
	// costs so little that the consumer is what limits the flood. 0 is 1.
	Segments int
	// SendBuffer limits the bytes that a flood has queued, in bytes as the
	// kernel accounts them, which may be several times the bytes sent.
	SendBuffer int
}

// Run generates load until ctx ends, and counts in m. peer is the namespace at
// the far end of a TCP stream.
func Run(ctx context.Context, s Spec, peer *os.File, m *Meter) error {
	switch s.Kind {
	case UDP:
		return floodUDP(ctx, s, m)
	case ICMP:
		return floodICMP(ctx, s, m)
	case TCP:
		return stream(ctx, peer, m)
	case OneByOne:
		return oneByOne(ctx, s, m)
	}
	return fmt.Errorf("load: unknown kind %q", s.Kind)
}

// stopOn makes the connections' calls fail once ctx has ended.
func stopOn(ctx context.Context, conns ...net.Conn) (cancel func() bool) {
	return context.AfterFunc(ctx, func() {
		for _, c := range conns {
			_ = c.SetDeadline(time.Unix(1, 0))
		}
	})
}

// unlessEnded returns err, or nil if it only says that ctx has ended.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.Canceled)) {
		return nil
	}
	return err
}
