package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ipqueue/ipqueue/checksum"
	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/queue/queuetest"
)

// A simulation is a network with a simulated kernel in this process. It builds
// the packets of its two parties one by one.
type simulation struct{ kernel *kerneltest.Kernel }

func newSimulation() *simulation {
	return &simulation{kerneltest.New(kerneltest.Options{})}
}

func (s *simulation) close() error { return nil }

// The two parties.
const (
	host   = "127.0.0.1"
	client = host + ":40000"
	server = host + ":7"
)

var errLost = errors.New("the packet did not arrive")

// send sends a packet.
func (s *simulation) send(p queuetest.Packet) *kerneltest.Journey {
	return s.kernel.Inject(kerneltest.Packet{
		Hook:    kerneltest.LocalOut,
		Out:     kerneltest.Device{Index: 1, Name: "lo"},
		Payload: p.Payload,
	})
}

// arrive waits for the fate of a packet and returns the packet that arrives.
// Like any receiver, it drops packets with wrong lengths or checksums.
func arrive(ctx context.Context, j *kerneltest.Journey) (segment []byte, err error) {
	select {
	case <-j.Done():
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	r := j.Result()
	b := r.Packet.Payload
	if !r.Fate.Passes() {
		return nil, errLost
	}
	if valid, err := checksum.Valid(b); err != nil || !valid {
		return nil, fmt.Errorf("%w: its checksum is wrong", errLost)
	}
	_, segment = queue.Packet{Payload: b}.Transport()
	return segment, nil
}

// carry sends a packet and waits for its arrival.
func (s *simulation) carry(ctx context.Context, p queuetest.Packet) (segment []byte, err error) {
	return arrive(ctx, s.send(p))
}

func (s *simulation) ping(ctx context.Context) error {
	if _, err := s.carry(ctx, queuetest.EchoRequest(host, host, 1, 1, nil)); err != nil {
		return err
	}
	_, err := s.carry(ctx, queuetest.EchoReply(host, host, 1, 1, nil))
	return err
}

func (s *simulation) say(ctx context.Context, texts ...string) (heard []string, err error) {
	var journeys []*kerneltest.Journey
	for _, text := range texts {
		journeys = append(journeys, s.send(queuetest.UDP(client, server, []byte(text))))
	}
	for _, j := range journeys {
		segment, err := arrive(ctx, j)
		if ctx.Err() != nil {
			return heard, err
		}
		if err == nil {
			heard = append(heard, string(segment[udpHeader:]))
		}
	}
	return heard, nil
}

func (s *simulation) echo(ctx context.Context, text string) (string, error) {
	const fin, syn, push, ack = queuetest.FIN, queuetest.SYN, queuetest.PSH, queuetest.ACK
	a, b := &party{addr: client, peer: server, next: 1000}, &party{addr: server, peer: client, next: 5000}
	for _, step := range []struct {
		from, to *party
		flags    queuetest.TCPFlags
		says     bool
	}{
		{a, b, syn, false},
		{b, a, syn | ack, false},
		{a, b, ack, false},
		{a, b, push | ack, true},
		{b, a, push | ack, true},
		{a, b, fin | ack, false},
		{b, a, fin | ack, false},
		{a, b, ack, false},
	} {
		said := ""
		if step.says {
			said = text
		}
		segment, err := s.carry(ctx, step.from.segment(step.flags, said))
		if err != nil {
			return "", err
		}
		heard := step.to.hear(segment)
		if step.says {
			text = heard
		}
	}
	return text, nil
}

// A party is one end of a TCP connection.
type party struct {
	addr, peer string
	next       uint32 // sequence number to send
	expected   uint32 // sequence number to receive
}

// segment returns the next segment to send.
func (p *party) segment(flags queuetest.TCPFlags, text string) queuetest.Packet {
	h := queuetest.TCPHeader{Seq: p.next, Ack: p.expected, Flags: flags}
	p.next += sequenceLength(flags, len(text))
	return queuetest.TCP(p.addr, p.peer, h, []byte(text))
}

// hear returns the text of a segment that has arrived (RFC 9293, section 3.1).
func (p *party) hear(segment []byte) string {
	const header = 20 // bytes, without options
	text := segment[header:]
	p.expected = binary.BigEndian.Uint32(segment[4:]) + sequenceLength(queuetest.TCPFlags(segment[13]), len(text))
	return string(text)
}

// sequenceLength is the segment length of RFC 9293: SYN and FIN count.
func sequenceLength(flags queuetest.TCPFlags, text int) uint32 {
	n := uint32(text)
	if flags&(queuetest.SYN|queuetest.FIN) != 0 {
		n++
	}
	return n
}
