package main

import (
	"time"

	"github.com/ipqueue/ipqueue/examples/sniblock/internal/quic"
	"github.com/ipqueue/ipqueue/queue"
)

// A quicConnection is a QUIC connection, as far as its client's Initial packets
// tell.
type quicConnection struct {
	id        quicID
	flow      queue.Flow
	stream    stream
	handshake handshake
	read      int // bytes of the stream that the handshake has
	refused   bool
	seen      time.Time // last
}

// A quicID is the destination connection ID that a connection has its keys from.
// Servers know a connection by its ID, whichever port its packets come from,
// unless that ID is too short to be the only one.
type quicID struct {
	destination string
	flow        queue.Flow // if it is short
}

// shortest is the length of the shortest ID that a client may choose (RFC 9000,
// section 7.2).
const shortest = 8

func idOf(flow queue.Flow, p quic.Packet) quicID {
	if len(p.Destination) < shortest {
		return quicID{string(p.Destination), flow}
	}
	return quicID{destination: string(p.Destination)}
}

// size is the memory that the connection needs, about.
func (c *quicConnection) size() int {
	const fixed = 500
	return fixed + c.stream.size() + cap(c.handshake.message)
}

// take decides an Initial packet with these frames.
func (c *quicConnection) take(frames []byte, judge func(hello) string) outcome {
	cryptos, err := quic.Cryptos(frames)
	if len(cryptos) > 0 && c.refused {
		return outcome{decision: refuse}
	}
	for _, piece := range cryptos {
		switch {
		case piece.Offset+uint64(len(piece.Data)) > longestHello:
			return c.refuse(errTooLong.Error())
		case !c.stream.add(int(piece.Offset), piece.Data):
			return c.refuse("contradicts itself")
		}
	}
	hellos, wrong := c.handshake.write(c.stream.beginning()[c.read:])
	c.read = c.stream.whole
	for _, h := range hellos {
		if reason := judge(h); reason != "" {
			return c.refuse(reason)
		}
	}
	switch {
	case wrong != nil:
		return c.refuse(wrong.Error())
	case err != nil: // the server closes the connection
		return outcome{decision: discard}
	}
	return outcome{decision: pass}
}

// refuse refuses the connection for ever.
func (c *quicConnection) refuse(reason string) outcome {
	c.refused, c.stream, c.handshake, c.read = true, stream{}, handshake{}, 0
	return outcome{decision: refuse, reason: reason}
}
