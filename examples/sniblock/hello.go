package main

import "encoding/binary"

// A finding is what the beginning of a stream tells of its ClientHello.
type finding uint8

const (
	partial  finding = iota // it ends before the server's name
	named                   // the server's name is there
	nameless                // it is no ClientHello, or has no name
)

// serverName looks for the name of the server that a TLS client sends first
// (RFC 6066, section 3). What it finds in a beginning of the stream it finds in
// every longer one, unless it is partial.
func serverName(stream []byte) (string, finding) {
	message, whole, ok := handshake(stream)
	if !ok {
		return "", nameless
	}
	name, f := helloName(message)
	if f == partial && whole { // a length in it is wrong
		f = nameless
	}
	return name, f
}

// handshake joins the first handshake message from the records that it is cut
// into (RFC 8446, section 5.1). It is whole if there can be no more of it, and
// not ok if it is no ClientHello.
func handshake(b []byte) (message []byte, whole, ok bool) {
	const header, longest = 5, 1 << 14
	const typeHandshake, versionMajor = 22, 3
	for len(b) >= header {
		n := int(binary.BigEndian.Uint16(b[3:]))
		if b[0] != typeHandshake || b[1] != versionMajor || n == 0 || n > longest {
			return message, true, len(message) > 0 && isHello(message)
		}
		fragment := b[header:min(header+n, len(b))]
		message = append(message, fragment...)
		if end, known := messageEnd(message); known && end <= len(message) {
			return message[:end], true, isHello(message)
		}
		if len(fragment) < n {
			return message, false, isHello(message)
		}
		b = b[header+n:]
	}
	whole = len(b) > 0 && b[0] != typeHandshake
	return message, whole, isHello(message) && !(whole && len(message) == 0)
}

// isHello reports whether the message is a ClientHello, as far as it goes.
func isHello(message []byte) bool {
	const clientHello = 1
	return len(message) == 0 || message[0] == clientHello
}

// messageEnd is where a handshake message ends (RFC 8446, section 4).
func messageEnd(message []byte) (end int, known bool) {
	const header = 4
	if len(message) < header {
		return 0, false
	}
	return header + int(message[1])<<16 + int(message[2])<<8 + int(message[3]), true
}

// helloName looks through the extensions of a ClientHello (RFC 8446, section
// 4.1.2).
func helloName(message []byte) (string, finding) {
	const fixed = 4 + 2 + 32 // header, version and random
	if len(message) < fixed {
		return "", partial
	}
	b, ok := message[fixed:], true
	for _, prefix := range []int{1, 2, 1} { // session, cipher suites, compressions
		if _, b, ok = vector(b, prefix); !ok {
			return "", partial
		}
	}
	if len(b) < 2 {
		return "", partial
	}
	end := 2 + int(binary.BigEndian.Uint16(b))
	return extensionsName(b[2:min(end, len(b))], end <= len(b))
}

// extensionsName looks through extensions, which may be cut unless they are
// whole.
func extensionsName(b []byte, whole bool) (string, finding) {
	const typeServerName = 0
	for len(b) >= 2 {
		extension, rest, ok := vector(b[2:], 2)
		if !ok {
			break
		}
		if binary.BigEndian.Uint16(b) == typeServerName {
			return hostName(extension)
		}
		b = rest
	}
	if whole {
		return "", nameless
	}
	return "", partial
}

// hostName is the first name of the kind host_name.
func hostName(extension []byte) (string, finding) {
	const kindHostName = 0
	list, _, _ := vector(extension, 2)
	for len(list) > 0 {
		name, rest, ok := vector(list[1:], 2)
		if !ok {
			break
		}
		if list[0] == kindHostName {
			return string(name), named
		}
		list = rest
	}
	return "", nameless
}

// vector cuts off a vector whose length stands in the prefix bytes before it.
// It is not ok if b ends before it does.
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
