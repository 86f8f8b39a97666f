package main

import "errors"

// A handshake contains the unencrypted messages of a TLS client's handshake
// protocol, one after the other. The first one should be the ClientHello. After
// a HelloRetryRequest of the server there is a second ClientHello, which may
// contain another name.
type handshake struct {
	message []byte // the incomplete message
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
// accepts (OpenSSL). After the first ClientHello, what looks like a longer one
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
