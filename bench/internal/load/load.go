// Package load generates the packets for measurements of a queue. A generator runs in
// its own process, so that its processor time is not counted as that of the queue.
//
// The packets leave through the output hook of the process's network
// namespace, where a rule queues them. While a packet is queued, it counts
// against the send buffer of the socket that sent it, even if the kernel split it
// off a larger message (net/ipv4/udp_offload.c, __udp_gso_segment). So a generator
// sends as fast as the queue permits, and loses nothing if its send buffer holds
// fewer packets than the queue and the queue's socket do.
package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// A Kind is a kind of load.
type Kind string

// The kinds of load.
const (
	UDP      Kind = "udp"     // a flood of datagrams over loopback
	ICMP     Kind = "icmp"    // a flood of echo requests over loopback, whose replies are queued as well
	TCP      Kind = "tcp"     // a stream over a veth pair
	OneByOne Kind = "latency" // datagrams over loopback, each sent when the previous one has arrived
)

// Destinations of the packets, for the rules that queue them.
const (
	FloodPort   = 4000 // UDP, received by the socket of NewSink
	StreamPort  = 4001 // TCP
	LatencyPort = 4002 // UDP
	// Host is the address of the link to the peer namespace, Peer the one at
	// its other end.
	Host = "10.77.0.1"
	Peer = "10.77.0.2"

	loopback = "127.0.0.1"
)

// A Spec describes a load.
type Spec struct {
	Kind Kind
	// Size is the number of bytes in a datagram or echo request, without its
	// headers.
	Size int
	// Segments is the number of datagrams into which the kernel splits one
	// message of a flood (UDP_SEGMENT, Linux 4.18). Sending then costs so little
	// that the consumer limits the rate. 0 means 1, and so does any number before
	// Linux 4.18.
	Segments int
	// SendBuffer limits the bytes that a flood has queued, as the kernel counts
	// them: several times the bytes sent.
	SendBuffer int
}

// Run generates load until ctx ends, and counts it in m. peer is the namespace that
// receives a TCP stream.
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

// stopOn makes all calls on the connections fail once ctx has ended.
func stopOn(ctx context.Context, conns ...net.Conn) (cancel func() bool) {
	return context.AfterFunc(ctx, func() {
		for _, c := range conns {
			_ = c.SetDeadline(time.Unix(1, 0))
		}
	})
}

// unlessEnded returns err, or nil if the end of ctx caused it.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.Canceled)) {
		return nil
	}
	return err
}
