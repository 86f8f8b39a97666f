package queue

import (
	"context"

	"github.com/ipqueue/ipqueue/internal/ledger"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/wire"
)

// A backend is what differs between the two kernel queues: how messages are
// laid out, what verdicts can say, and how the queue is opened and stopped. As
// an Encoder it makes the messages of verdicts that say nothing of one packet
// alone; Stamp completes those of appendVerdict.
//
// A backend gets verdicts by value, so that nothing is allocated. One goroutine
// at a time calls decode, and one at a time the methods of Encoder.
type backend interface {
	ledger.Encoder

	// bind makes the socket the owner of the queue, with the configuration's
	// mode and limits. Packets that come before the kernel's answer are kept.
	bind(ctx context.Context, q *binding) error
	// explain adds to an error of Open what to do about it.
	explain(q *binding, err error) error

	// decode reads the body of a packet message. p.ID is set whenever it
	// could be read, which ok reports; on an error the rest is worthless. All
	// of x is set if ok.
	decode(body []byte, p *Packet, x *extra) (ok bool, err error)
	// packetType is the type of packet messages.
	packetType() uint16
	// layout is that of netlink headers and errors.
	layout() wire.Layout

	// check refuses what the kernel's queue cannot do to any packet.
	check(v Verdict) error
	// suits refuses what it cannot do to this packet. The caller has the claim.
	suits(p Packet, v Verdict) error
	// maxPayload is the length of the longest replacement.
	maxPayload() int
	// appendVerdict appends the whole message of a verdict, payload last. mark
	// is the packet's new mark, if v changes it.
	appendVerdict(b []byte, id uint64, mark uint32, v Verdict) []byte
	// reusesIDs reports whether a later packet may have the id of one that the
	// kernel dropped.
	reusesIDs() bool
	// refused returns which packet an error reply is about, and how many
	// verdicts it refuses, 0 if it answers something else.
	refused(e *wire.ErrorMessage) (id, n uint64)

	// appendMode appends a request to change the mode.
	appendMode(b []byte, seq uint32, m Mode) []byte
	// answers reports whether an error message answers the request seq.
	answers(e *wire.ErrorMessage, seq uint32) bool
	// stop returns the datagrams after which no new packet is queued: they are
	// dropped by the kernel or, where that is possible, accepted.
	stop(accept bool) [][]byte
	// acceptAll returns the datagram that accepts whatever the kernel still
	// holds, if no packet that was received is undecided. It is nil where each
	// packet must be accepted by itself.
	acceptAll(row KernelStats) []byte

	// status reads the kernel's own counters.
	status(f *statusReader) (KernelStats, error)
	// indexes reports whether the numbers of interfaces in a Packet are their
	// indexes.
	indexes() bool
	// deviceName returns the name of the interface behind such a number.
	deviceName(l *links, i uint32) string
}

// A binding is what a backend needs to make a socket the owner of its queue.
type binding struct {
	cfg  Config
	host sock.Kernel
	sock sock.Socket
	// status reads the kernel's status file through the socket.
	status statusReader
	// request sends a request, whose sequence number is given, and returns the
	// kernel's answer.
	request func(ctx context.Context, encode func(seq uint32) []byte) error
}

// An extra holds what a message has beside the packet.
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
