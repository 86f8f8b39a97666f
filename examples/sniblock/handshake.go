package main

import "errors"

// A handshake is what a TLS client says before it is encrypted: the messages of
// its handshake protocol, one after the other. The first should be its
// ClientHello. A server that answers with a HelloRetryRequest gets a second
// one, which may ask for another name.
type handshake struct {
	message []byte // that is not whole yet
	hellos  int    // that were read
	early   bool   // data may come between them
	over    bool   // no ClientHello can follow
}

var errTooLong = errors.New("ClientHello of more than 64 KiB")

// write adds bytes of the messages, and returns every ClientHello that they
// complete. It stops at the first error.
func (h *handshake) write(b []byte) (hellos []hello, err error) {
	const header, clientHello = 4, 1
	h.message = append(h.message, b...)
	for !h.over && len(h.message) >= header {
		m := h.message
		length := int(m[1])<<16 | int(m[2])<<8 | int(m[3])
		switch {
		case h.hellos > 0 && (m[0] != clientHello || length > longestOfAll):
			h.over = true
			continue
		case length > longestHello-header:
			return hellos, errTooLong
		case len(m) < header+length:
			return hellos, nil
		}
		if m[0] == clientHello {
			next, err := parseHello(m[header : header+length])
			if err != nil {
				return hellos, err
			}
			h.hellos++
			h.early = next.early
			hellos = append(hellos, next)
		}
		h.message = m[header+length:]
	}
	if h.over || len(h.message) == 0 {
		h.message = nil
	}
	return hellos, nil
}

// longestOfAll is the length of the longest ClientHello that any known server
// takes (OpenSSL's). After the first ClientHello what looks like a longer one
// is an encrypted message.
const longestOfAll = 131396

// end concludes a handshake of which nothing more is remembered.
func (h *handshake) end() error {
	if h.hellos == 0 && !h.over {
		return errTooLong
	}
	h.over = true
	return nil
}
