package queue

import (
	"context"

	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/wire"
)

// A kernel is what differs between the two kernel queues: how messages are
// laid out, what verdicts can say, and how the queue is opened and stopped.
// What it is given for a verdict it gets by value, so that nothing is allocated.
// One goroutine at a time calls decode, and one at a time the append methods
// that take a sequence number.
type kernel interface {
	// bind makes the socket the owner of the queue, with the configuration's
	// mode and limits. Packets that come before the kernel's answer are kept.
	bind(ctx context.Context, q *Queue) error
	// explain makes an error of Open tell what to do about it.
	explain(q *Queue, err error) error

	// decode reads the body of a packet message. p.ID is set whenever it
	// could be read, which ok reports; on an error the rest is worthless. All
	// of x is set if ok.
	decode(body []byte, p *Packet, x *extra) (ok bool, err error)
	// packetType is the type of packet messages.
	packetType() uint16
	// layout is that of netlink headers and errors.
	layout() wire.Layout

	// check refuses what the kernel queue has no way to say.
	check(p Packet, v Verdict) error
	// maxPayload is the length of the longest replacement.
	maxPayload() int
	// appendVerdict appends the whole message of a verdict, payload last. mark
	// is the packet's new mark, if v changes it.
	appendVerdict(b []byte, id uint64, mark uint32, v Verdict) []byte
	// appendAction appends the message of a verdict that is only an action,
	// ready to be sent.
	appendAction(b []byte, id uint64, a Action) []byte
	// appendBatch appends the message that decides all n packets up to id.
	appendBatch(b []byte, id uint64, a Action, n int) []byte
	// oneEach reports whether each verdict needs a datagram of its own.
	oneEach() bool
	// stamp writes into a message of appendVerdict, just before it is sent,
	// what only the sender knows: the sequence number.
	stamp(message []byte)
	// refused tells which packet an error reply is about, and how many
	// verdicts it refuses: 0 if it answers something else.
	refused(e *wire.ErrorMessage) (id, n uint64)

	// appendMode appends a request to change the mode.
	appendMode(b []byte, seq uint32, m Mode) []byte
	// answers reports whether an error message answers the request seq.
	answers(e *wire.ErrorMessage, seq uint32) bool
	// stop returns the datagrams after which no new packet is queued: they are
	// dropped by the kernel or, where that is possible, accepted.
	stop(accept bool) [][]byte
	// acceptAll returns the datagram that accepts whatever the kernel still
	// holds, nil where each packet must be accepted by itself.
	acceptAll() []byte

	// status reads the kernel's own counters.
	status(f *statusReader) (KernelStats, error)
	// indexes reports whether the numbers of interfaces in a Packet are their
	// indexes.
	indexes() bool
	// deviceName returns the name of the interface behind such a number.
	deviceName(q *Queue, i uint32) string
}

// An extra holds what a message tells beside the packet.
type extra struct {
	link, secctx, conntrack []byte
	// missed is how many packets the kernel had for the queue between the last
	// one that was decoded and this one, and could not deliver.
	missed uint64
}

func (x *extra) size() int { return len(x.link) + len(x.secctx) + len(x.conntrack) }

// A socketConfig is what both kernel queues want of a socket.
func socketConfig(c *Config, protocol int, statusReader string) sock.Config {
	return sock.Config{
		Protocol:    protocol,
		NetNS:       c.NetNS,
		ReadBuffer:  c.ReadBuffer,
		WriteBuffer: 4 * receiveSize,
		StatusFile:  statusReader,
	}
}
