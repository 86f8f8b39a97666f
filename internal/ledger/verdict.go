package ledger

import (
	"errors"
	"net"
)

// An Action is what a verdict does with a packet. The ledger only counts and
// compares actions.
type Action uint8

// Actions is the number of actions that are counted: 0 to Actions-1.
const Actions = 6

// A Verdict is the part of a verdict that every packet can have.
type Verdict struct {
	Action Action

	// SetPriority means that Priority is the new priority of the packet.
	SetPriority bool
	Priority    uint32

	// Mark contains the new values of the bits of the mark in MarkMask. In a
	// verdict passed to an Encoder, Mark is the complete new mark, and MarkMask
	// is 0 if the mark does not change.
	Mark, MarkMask uint32
}

// of returns the verdict with the complete new mark of a packet whose mark is
// mark.
func (v Verdict) of(mark uint32) Verdict {
	if v.MarkMask != 0 {
		v.Mark |= mark &^ v.MarkMask
		v.MarkMask = ^uint32(0)
	}
	return v
}

// An Encoder encodes verdicts as messages. One goroutine at a time calls its
// methods.
type Encoder interface {
	// AppendVerdict appends the message of a verdict, ready to be sent.
	AppendVerdict(b []byte, id uint64, v Verdict) []byte
	// Stamp completes a Slot.Message just before it is sent, for example with a
	// sequence number.
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
	ErrGone          = errors.New("packet is gone: the kernel dropped it and reused its id")
)

// A closedError matches net.ErrClosed.
type closedError struct{}

func (closedError) Error() string        { return "queue is closed" }
func (closedError) Is(target error) bool { return target == net.ErrClosed }
