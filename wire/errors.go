package wire

import (
	"errors"
	"strconv"
)

// The causes of an [Error]. Test for them with [errors.Is].
var (
	// ErrTruncated means that a message has fewer bytes than its length
	// fields declare or than its type requires.
	ErrTruncated = errors.New("message is truncated")

	// ErrLength means that a length field has an impossible value, or that
	// an attribute is shorter than its type requires.
	ErrLength = errors.New("bad length")

	// ErrType means that a message does not have the expected type.
	ErrType = errors.New("unexpected message type")

	// ErrMissing means that a message lacks a required attribute, or a line
	// of a status file a required column.
	ErrMissing = errors.New("attribute is missing")

	// ErrValue means that a message contains a value that the kernel would
	// refuse or misinterpret, or that a status file contains something other
	// than the number expected.
	ErrValue = errors.New("bad value")
)

// An Error describes the part of a message that could not be decoded or must
// not be encoded. It wraps ErrTruncated, ErrLength, ErrType, ErrMissing or
// ErrValue.
type Error struct {
	Message string // kind of message, for example "nfqueue packet"
	What    string // name of the struct, field or attribute in the kernel's headers
	Offset  int    // offset of What, in bytes from the start of the input
	Want    int    // bytes required, or allowed; with ErrType the message type
	Got     int    // bytes found; with ErrType the message type
	Err     error  // cause
}

// Error returns the kind of message, the part, its offset and the cause.
func (e *Error) Error() string {
	s := e.Message + ": " + e.What + " at offset " + strconv.Itoa(e.Offset) + ": " + e.Err.Error()
	if e.Want == e.Got {
		return s
	}
	return s + ": want " + strconv.Itoa(e.Want) + ", got " + strconv.Itoa(e.Got)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
