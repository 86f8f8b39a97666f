package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ipqueue/ipqueue/checksum"
	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue"
)

// A simulation is a network on a kernel in this process: two parties, whose
// packets are written here by hand.
type simulation struct{ kernel *kerneltest.Kernel }

func newSimulation() *simulation {
	return &simulation{kerneltest.New(kerneltest.Options{})}
}

func (s *simulation) close() error { return nil }

// Ports of the two parties.
const (
	clientPort = 40000
	serverPort = 7
)

var errLost = errors.New("the packet did not arrive")

// send puts a packet with that transport protocol on its way.
func (s *simulation) send(protocol uint8, transport []byte) *kerneltest.Journey {
	return s.kernel.Inject(kerneltest.Packet{
		Hook:    kerneltest.LocalOut,
		Out:     kerneltest.Device{Index: 1, Name: "lo"},
		Payload: ipv4Packet(protocol, transport),
	})
}

// arrive waits for the packet's fate and returns what arrives of it. Like any
// receiver it drops a packet whose lengths or checksums are wrong.
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
func (s *simulation) carry(ctx context.Context, protocol uint8, transport []byte) (segment []byte, err error) {
	return arrive(ctx, s.send(protocol, transport))
}

func (s *simulation) ping(ctx context.Context) error {
	for _, kind := range []uint8{8, 0} { // echo request, echo reply
		if _, err := s.carry(ctx, protoICMP, []byte{kind, 0, 0, 0, 0, 1, 0, 1}); err != nil {
			return err
		}
	}
	return nil
}

func (s *simulation) say(ctx context.Context, texts ...string) (heard []string, err error) {
	var journeys []*kerneltest.Journey
	for _, text := range texts {
		journeys = append(journeys, s.send(protoUDP, udpDatagram(text)))
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

// TCP flags.
const (
	fin = 1 << 0
	syn = 1 << 1
	psh = 1 << 3
	ack = 1 << 4
)

func (s *simulation) echo(ctx context.Context, text string) (string, error) {
	client, server := party{clientPort, serverPort, 1000, 0}, party{serverPort, clientPort, 5000, 0}
	for _, step := range []struct {
		from, to *party
		flags    uint8
		says     bool
	}{
		{&client, &server, syn, false},
		{&server, &client, syn | ack, false},
		{&client, &server, ack, false},
		{&client, &server, psh | ack, true},
		{&server, &client, psh | ack, true},
		{&client, &server, fin | ack, false},
		{&server, &client, fin | ack, false},
		{&client, &server, ack, false},
	} {
		said := ""
		if step.says {
			said = text
		}
		segment, err := s.carry(ctx, protoTCP, step.from.segment(step.flags, said))
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
	port, peer uint16
	next       uint32 // sequence number to send
	expected   uint32 // sequence number to receive
}

const tcpHeader = 20

// segment returns the next segment to send (RFC 9293, section 3.1).
func (p *party) segment(flags uint8, text string) []byte {
	b := ports(p.port, p.peer)
	b = binary.BigEndian.AppendUint32(b, p.next)
	b = binary.BigEndian.AppendUint32(b, p.expected)
	b = append(b, tcpHeader/4<<4, flags, 0xff, 0xff, 0, 0, 0, 0)
	p.next += sequenceLength(flags, len(text))
	return append(b, text...)
}

// hear returns the text of a segment that arrived.
func (p *party) hear(segment []byte) string {
	text := segment[tcpHeader:]
	p.expected = binary.BigEndian.Uint32(segment[4:]) + sequenceLength(segment[13], len(text))
	return string(text)
}

// sequenceLength is the segment length of RFC 9293: SYN and FIN count.
func sequenceLength(flags uint8, text int) uint32 {
	n := uint32(text)
	if flags&(syn|fin) != 0 {
		n++
	}
	return n
}

func ports(source, destination uint16) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, source), destination)
}

// udpDatagram leaves the checksum to ipv4Packet. It must not be 0, which means
// that there is none (RFC 768).
func udpDatagram(text string) []byte {
	b := ports(clientPort, serverPort)
	b = binary.BigEndian.AppendUint16(b, uint16(udpHeader+len(text)))
	b = append(b, 0xff, 0xff)
	return append(b, text...)
}

// ipv4Packet returns a packet on loopback with its checksums.
func ipv4Packet(protocol uint8, transport []byte) []byte {
	b := []byte{0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1}
	b = append(b, transport...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	_ = checksum.Fix(b) // which a packet made here cannot refuse
	return b
}
