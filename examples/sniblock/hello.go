package main

import (
	"encoding/binary"
	"errors"
)

// A hello contains what a ClientHello reveals about its server (RFC 8446,
// section 4.1.2).
type hello struct {
	// names are the names that the client requests. There should be one; a
	// server may choose any of several.
	names []string
	// encrypted reports that this ClientHello appears to contain an encrypted
	// one; names are then those of a public front (RFC 9849). Many clients send
	// a dummy instead, which only the server can recognize.
	encrypted bool
	// early reports that data may follow before the server's answer.
	early bool
}

var errMalformed = errors.New("malformed ClientHello")

// parseHello reads a ClientHello without its message header.
func parseHello(b []byte) (h hello, err error) {
	const fixed = 2 + 32 // version and random
	if len(b) < fixed {
		return h, errMalformed
	}
	ok := true
	b = b[fixed:]
	for _, prefix := range []int{1, 2, 1} { // session, cipher suites, compressions
		if _, b, ok = vector(b, prefix); !ok {
			return h, errMalformed
		}
	}
	if len(b) == 0 { // the extensions may be missing
		return h, nil
	}
	extensions, rest, ok := vector(b, 2)
	if !ok || len(rest) > 0 {
		return h, errMalformed
	}
	for len(extensions) > 0 {
		if extensions, err = h.readExtension(extensions); err != nil {
			return h, err
		}
	}
	return h, nil
}

// readExtension reads the first extension and returns the others.
func (h *hello) readExtension(b []byte) (rest []byte, err error) {
	const serverName, earlyData, encryptedHello, encryptedName = 0, 42, 0xfe0d, 0xffce // the last from a draft
	if len(b) < 2 {
		return nil, errMalformed
	}
	data, rest, ok := vector(b[2:], 2)
	if !ok {
		return nil, errMalformed
	}
	switch binary.BigEndian.Uint16(b) {
	case serverName:
		return rest, h.readNames(data)
	case earlyData:
		h.early = true
	case encryptedHello, encryptedName:
		h.encrypted = true
	}
	return rest, nil
}

// readNames reads the server_name extension (RFC 6066, section 3).
func (h *hello) readNames(b []byte) error {
	const hostName = 0
	list, rest, ok := vector(b, 2)
	if !ok || len(rest) > 0 {
		return errMalformed
	}
	for len(list) > 0 {
		name, rest, ok := vector(list[1:], 2)
		if !ok {
			return errMalformed
		}
		if list[0] == hostName {
			h.names = append(h.names, string(name))
		}
		list = rest
	}
	return nil
}

// vector splits a vector off b. Its length is in the prefix bytes before it. ok
// is false if b ends before the vector does.
func vector(b []byte, prefix int) (v, rest []byte, ok bool) {
	if len(b) < prefix {
		return nil, nil, false
	}
	n := 0
	for _, c := range b[:prefix] {
		n = n<<8 | int(c)
	}
	b = b[prefix:]
	if len(b) < n {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}
