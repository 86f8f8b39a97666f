package main

import (
	"context"
	"encoding/binary"
	"os"
	"testing"

	"github.com/ipqueue/ipqueue/internal/testutil"
	"github.com/ipqueue/ipqueue/queue/queuetest"
)

// A blocker is a running sniblock on a simulated kernel.
type blocker struct {
	kernel *queuetest.Kernel
	out    *testutil.Output
	reload chan os.Signal
}

// newBlocker starts sniblock with a list that contains bad.example.
func newBlocker(t testing.TB, args string) blocker {
	t.Helper()
	o := optionsOf(t, args+" bad.example .ads.example")
	p := blocker{queuetest.New(t, queuetest.Options{}), new(testutil.Output), make(chan os.Signal)}
	p.kernel.Go(func(ctx context.Context) error { return run(ctx, o, p.reload, p.out) })
	return p
}

// A client sends the segments of one connection.
type client struct {
	blocker
	source string
	isn    uint32
}

func (p blocker) client(source string) client { return client{p, source, 0xfffffff0} } // sequence numbers wrap soon

const server4 = "192.0.2.9:443"

// A segmentAt is a segment whose data begins at the offset at of the stream.
type segmentAt struct {
	at    int
	data  string
	flags queuetest.TCPFlags // 0 means ACK
	ack   uint32
	clock uint32 // the timestamp; 0 means none
	// options are placed before the timestamp.
	options []byte
	// spoil changes the packet. Its checksum is then wrong, unless spoil marks
	// it as not computed yet.
	spoil func(p *queuetest.Packet)
}

func (c client) send(s segmentAt) *queuetest.Sent {
	h := queuetest.TCPHeader{Seq: c.isn + 1 + uint32(s.at), Ack: s.ack, Flags: s.flags, Options: s.options}
	if s.flags == 0 {
		h.Flags = queuetest.ACK
	}
	if s.flags&queuetest.SYN != 0 {
		h.Seq = c.isn + uint32(s.at)
	}
	if s.clock != 0 {
		h.Options = append(h.Options, 1, 1, 8, 10)
		h.Options = binary.BigEndian.AppendUint32(h.Options, s.clock)
		h.Options = append(h.Options, 0, 0, 0, 0)
	}
	p := queuetest.TCP(c.source, server4, h, []byte(s.data))
	if s.spoil != nil {
		s.spoil(&p)
	}
	return c.kernel.Send(p)
}

var syn = segmentAt{flags: queuetest.SYN}

// refixed repairs the checksums after a change.
func refixed(change func(b []byte)) func(p *queuetest.Packet) {
	return func(p *queuetest.Packet) {
		change(p.Payload)
		mustFix(p.Payload)
	}
}
