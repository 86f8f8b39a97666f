package queue

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"

	"github.com/ipqueue/ipqueue/internal/ledger"
)

// An OpError is the type of every error this package returns. Err is one of
// the sentinels below, or leads to the kernel's errno:
// errors.Is(err, syscall.EPERM) and errors.Is(err, fs.ErrPermission) work.
type OpError struct {
	Op    string // the operation: "open", "accept", "replace", "set mode", ...
	Queue string // the queue: "queue 5" of nfnetlink_queue, "ip_queue", "ip6_queue"
	Err   error  // why it failed and, where that is known, what to do
}

// Error returns one line that begins with the name of the queue. The operation
// follows, unless it is "open".
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
	// ErrClosed says that the queue has been closed, or that the Packet is a
	// zero value. It matches net.ErrClosed.
	ErrClosed error = ledger.ErrClosed

	// ErrDecided says that the packet already had its one verdict, from the
	// application or from the queue's deadline. Nothing was sent.
	ErrDecided error = ledger.ErrDecided

	// ErrGone says that the kernel gave the packet up before its verdict:
	// ip_queue used its id again. Nothing was sent.
	ErrGone error = ledger.ErrGone

	// ErrTruncated says that the replacement is only the beginning of a
	// packet: its IP header promises more bytes than it has. Nothing was sent
	// and the packet is still undecided.
	ErrTruncated error = &sentinel{"payload is cut: its IP header promises more bytes", nil}

	// ErrUnsupported says that the kernel's queue cannot do what was asked,
	// or that this system has no such queue. Nothing was sent and the packet is
	// still undecided. It matches errors.ErrUnsupported.
	ErrUnsupported error = &sentinel{"not supported", errors.ErrUnsupported}

	// ErrInvalid says that an argument makes no sense. Nothing was sent and
	// the packet is still undecided. It matches fs.ErrInvalid.
	ErrInvalid error = &sentinel{"invalid argument", fs.ErrInvalid}
)

// A sentinel is an error that also matches one of the standard library.
type sentinel struct {
	text string
	is   error
}

func (s *sentinel) Error() string { return s.text }

func (s *sentinel) Is(target error) bool { return s.is != nil && target == s.is }
