package main

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/ipqueue/ipqueue/checksum"
	"github.com/ipqueue/ipqueue/queue"
)

// decide gives a packet its verdict.
func (s *sink) decide(p queue.Packet, out io.Writer) error {
	const header = 8 // of UDP
	const udp = 17
	protocol, datagram := p.Transport()
	if protocol != udp || len(datagram) <= header {
		return p.Accept()
	}
	message := datagram[header:]
	f, v := p.Flow(), s.judge(message)
	if v.name == "" {
		return p.Accept()
	}
	fmt.Fprintf(out, "%-8v  %-5s  %-40q  %v\n", s.answer, v.kind, v.name, f)
	if v.reply == nil {
		return p.Drop()
	}
	headers := p.Payload[:len(p.Payload)-len(message)]
	return replace(p, slices.Concat(headers, v.reply))
}

// replace drops a packet that cannot be replaced.
func replace(p queue.Packet, packet []byte) error {
	err := checksum.Resize(packet) // without it Replace takes a shorter packet for a cut one
	if err == nil {
		err = p.Replace(packet)
	}
	if err != nil && !errors.Is(err, queue.ErrDecided) {
		err = errors.Join(err, p.Drop())
	}
	return err
}
