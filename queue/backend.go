package queue

import (
	"context"

	"github.com/ipqueue/ipqueue/internal/ledger"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/wire"
)

// A backend is what differs between the two kinds of kernel queue: the layout
// of messages, the verdicts that they support, and how a queue is opened and
// stopped. As a ledger.Encoder it encodes verdicts that any packet can get.
// appendVerdict encodes all others, and Stamp completes those just before they
// are sent.
//
// A backend gets verdicts by value, so that nothing is allocated. decode is
// called by one goroutine at a time, and so are the methods of Encoder.
type backend interface {
	ledger.Encoder

	// bind makes the socket the owner of the queue, with the mode and limits of
	// the Config. Packets that arrive before the kernel's answer are kept.
	bind(ctx context.Context, q *binding) error
	// explain adds to an error of Open what to do about it.
	explain(q *binding, err error) error

	// decode reads the body of a packet message into p and x. ok reports
	// whether p.ID could be read; then all of x is set. After an error the
	// other fields of p are not valid.
	decode(body []byte, p *Packet, x *extra) (ok bool, err error)
	// packetType is the type of packet messages.
	packetType() uint16
	// layout is the layout of netlink headers and error messages.
	layout() wire.Layout

	// check refuses a verdict that the kernel queue supports for no packet.
	check(v Verdict) error
	// suits refuses a verdict that it does not support for this packet. The
	// caller has the claim.
	suits(p Packet, v Verdict) error
	// maxPayload is the length of the longest replacement.
	maxPayload() int
	// appendVerdict appends the complete message of a verdict, with the payload
	// at the end. mark is the new mark of the packet, if v changes it.
	appendVerdict(b []byte, id uint64, mark uint32, v Verdict) []byte
	// reusesIDs reports whether a later packet may have the id of one that the
	// kernel dropped.
	reusesIDs() bool
	// refused returns the packet that an error reply is about, and the number
	// of verdicts that it refuses. The number is 0 if the reply is not about
	// verdicts.
	refused(e *wire.ErrorMessage) (id, n uint64)

	// appendMode appends a request to change the mode.
	appendMode(b []byte, seq uint32, m Mode) []byte
	// answers reports whether an error message answers the request seq.
	answers(e *wire.ErrorMessage, seq uint32) bool
	// stop returns datagrams that stop the kernel queueing packets. The kernel
	// then drops new packets or, if accept is set and it supports that, accepts
	// them.
	stop(accept bool) [][]byte
	// acceptAll returns a datagram that accepts all packets in the kernel. All
	// packets that were received must have a verdict. It returns nil if each
	// packet must be accepted separately.
	acceptAll(row KernelStats) []byte

	// status reads the kernel's counters.
	status(f *statusReader) (KernelStats, error)
	// indexes reports whether the interface numbers in a Packet are indexes of
	// interfaces.
	indexes() bool
	// deviceName returns the name of the interface with that number.
	deviceName(l *links, i uint32) string
}

// A binding contains what a backend needs to make a socket the owner of its
// queue.
type binding struct {
	cfg  Config
	host sock.Kernel
	sock sock.Socket
	// status reads the kernel's status file through the socket.
	status statusReader
	// request sends the request that encode returns for a sequence number, and
	// returns the kernel's answer.
	request func(ctx context.Context, encode func(seq uint32) []byte) error
}

// An extra contains what a message contains in addition to a Packet.
type extra struct {
	link, secctx, conntrack []byte
	// missed is the number of packets between the last one decoded and this one
	// that the kernel could not deliver.
	missed uint64
}

func (x *extra) size() int { return len(x.link) + len(x.secctx) + len(x.conntrack) }

// socketConfig returns the socket configuration that both kernel queues need.
func socketConfig(c *Config, protocol int, statusReader string) sock.Config {
	return sock.Config{
		Protocol:    protocol,
		NetNS:       c.NetNS,
		ReadBuffer:  c.ReadBuffer,
		WriteBuffer: 4 * receiveSize,
		StatusFile:  statusReader,
	}
}
