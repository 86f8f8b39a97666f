package queue

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"

	"github.com/ipqueue/ipqueue/internal/ledger"
)

// An OpError is the type of every error that this package returns, except those
// of Packet.IPv4 and Packet.IPv6. Err is or wraps one of the sentinel errors of
// this package, the kernel's errno, or the error and the cause of a context. So
// for example errors.Is(err, syscall.EPERM) and errors.Is(err,
// fs.ErrPermission) work.
type OpError struct {
	Op    string // the operation: "open", "accept", "replace", "set mode", ...
	Queue string // the queue: "queue 5" of nfnetlink_queue, "ip_queue", "ip6_queue", or "" if there is none
	Err   error  // why it failed and, where that is known, what to do
}

// Error returns one line that starts with the name of the queue, or with
// "queue" if there is none. The operation follows, unless it is "open".
func (e *OpError) Error() string {
	queue := cmp.Or(e.Queue, "queue")
	if e.Op == "open" {
		return fmt.Sprintf("%s: %v", queue, e.Err)
	}
	return fmt.Sprintf("%s: %s: %v", queue, e.Op, e.Err)
}

// Unwrap returns e.Err.
func (e *OpError) Unwrap() error { return e.Err }

var (
	// ErrClosed means that the queue is closed, or that the Packet is the zero
	// value. It matches net.ErrClosed.
	ErrClosed error = ledger.ErrClosed

	// ErrDecided means that the packet already has its verdict, from the
	// program or from Config.Deadline. Nothing was sent.
	ErrDecided error = ledger.ErrDecided

	// ErrGone means that the kernel dropped the packet before its verdict:
	// ip_queue gave its id to another packet. Nothing was sent.
	ErrGone error = ledger.ErrGone

	// ErrTruncated means that the replacement is only the beginning of a
	// packet: it is shorter than the length in its IP header. Nothing was sent,
	// and the packet is still undecided.
	ErrTruncated error = &sentinel{"payload is truncated", nil}

	// ErrUnsupported means that the kernel's queue cannot do what was
	// requested, or that this system has no packet queues. Nothing was sent,
	// and the packet is still undecided. It matches errors.ErrUnsupported.
	ErrUnsupported error = &sentinel{"not supported", errors.ErrUnsupported}

	// ErrInvalid means that an argument is invalid. Nothing was sent, and the
	// packet is still undecided. It matches fs.ErrInvalid.
	ErrInvalid error = &sentinel{"invalid argument", fs.ErrInvalid}
)

// A sentinel is an error that also matches one of the standard library.
type sentinel struct {
	text string
	is   error
}

func (s *sentinel) Error() string { return s.text }

func (s *sentinel) Is(target error) bool { return s.is != nil && target == s.is }
