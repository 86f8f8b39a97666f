package wire

import (
	"errors"
	"strconv"
)

// The causes of an [Error], to be tested for with errors.Is.
var (
	// ErrTruncated means that fewer bytes are there than the message says or
	// its type needs.
	ErrTruncated = errors.New("message is truncated")

	// ErrLength means that a length field holds a value that cannot be, or
	// that an attribute is shorter than its type.
	ErrLength = errors.New("bad length")

	// ErrType means that a message is of another type than expected.
	ErrType = errors.New("unexpected message type")

	// ErrMissing means that a message lacks an attribute that it must have.
	ErrMissing = errors.New("attribute is missing")

	// ErrValue means that a message holds a value that the kernel would
	// refuse or misread, or that a status file holds no number where one
	// belongs.
	ErrValue = errors.New("bad value")
)

// An Error tells which part of which message could not be decoded or must not
// be encoded. It unwraps to one of the causes above.
type Error struct {
	Message string // kind of message, such as "nfqueue packet"
	What    string // struct, field or attribute, by its name in the kernel's headers
	Offset  int    // of What, in bytes from the start of what was given to decode
	Want    int    // bytes needed, or allowed; with ErrType the message type
	Got     int    // bytes found; with ErrType the message type
	Err     error  // cause
}

// Error names the message, the part, where it was, and what was wrong with it.
func (e *Error) Error() string {
	s := e.Message + ": " + e.What + " at offset " + strconv.Itoa(e.Offset) + ": " + e.Err.Error()
	if e.Want == e.Got {
		return s
	}
	return s + ": want " + strconv.Itoa(e.Want) + ", got " + strconv.Itoa(e.Got)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
