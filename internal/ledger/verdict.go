package ledger

import (
	"errors"
	"net"
)

// An Action is what becomes of a packet. The ledger counts actions and compares
// them; it knows the meaning of none.
type Action uint8

// Actions is the number of actions that are counted: 0 to Actions-1.
const Actions = 6

// A Verdict is what can be said of any packet in the same few words.
type Verdict struct {
	Action Action

	// SetPriority says that Priority is the packet's new priority.
	SetPriority bool
	Priority    uint32

	// The packet's mark changes to Mark in the bits of MarkMask. In a verdict
	// given to an Encoder, Mark is the whole new mark, and MarkMask is 0 if the
	// mark does not change.
	Mark, MarkMask uint32
}

// of returns the verdict as it is for a packet with that mark.
func (v Verdict) of(mark uint32) Verdict {
	if v.MarkMask != 0 {
		v.Mark |= mark &^ v.MarkMask
		v.MarkMask = ^uint32(0)
	}
	return v
}

// An Encoder makes messages of verdicts. One goroutine at a time calls its
// methods.
type Encoder interface {
	// AppendVerdict appends the message of a verdict, ready to be sent.
	AppendVerdict(b []byte, id uint64, v Verdict) []byte
	// Stamp writes into a message that was made before, just before it is
	// sent, what only the sender knows.
	Stamp(message []byte)
	// OneEach reports whether each verdict needs a datagram of its own.
	OneEach() bool

	// Batches reports whether one message can give v to several packets.
	Batches(v Verdict) bool
	// Reaches reports whether one such message can decide both packets.
	Reaches(first, last uint64) bool
	// AppendBatch appends the message that gives v to the oldest n packets,
	// the last of which has that id.
	AppendBatch(b []byte, id uint64, v Verdict, n int) []byte
}

// Errors of a verdict.
var (
	ErrClosed  error = closedError{}
	ErrDecided       = errors.New("packet has already been decided")
	ErrGone          = errors.New("packet is gone: the kernel dropped it and used its id again")
)

// A closedError matches net.ErrClosed.
type closedError struct{}

func (closedError) Error() string        { return "queue is closed" }
func (closedError) Is(target error) bool { return target == net.ErrClosed }
