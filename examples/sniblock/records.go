package main

import (
	"encoding/binary"
	"errors"
)

// records reads the messages of a handshake out of the TLS records that they
// are cut into (RFC 8446, section 5.1). Records may be empty, and others than
// those of the handshake may come before and between them: some servers pass
// over them. In front of the first record there may be something else, such as
// a request to a proxy or for STARTTLS.
type records struct {
	handshake handshake
	at        int  // how much of the stream has been read
	left      int  // bytes of the current record beyond that
	kind      byte // of the current record
	// stray reports that the stream began with something else. What follows may
	// then only look like records.
	stray bool
}

const (
	recordHandshake, recordData = 22, 23
	recordHeader                = 5

	longestPreamble = 4 << 10 // in front of the first record
)

var errCut = errors.New("truncated ClientHello")

// read reads on in the stream, which is the same as before or has grown, and
// returns what handshake.write does.
func (r *records) read(stream []byte) (hellos []hello, err error) {
	for more := true; more && !r.handshake.over && r.at < len(stream) && err == nil; {
		if r.left > 0 {
			var next []hello
			n := min(r.left, len(stream)-r.at)
			next, err = r.body(stream[r.at : r.at+n])
			hellos = append(hellos, next...)
			r.at += n
			r.left -= n
			continue
		}
		more, err = r.header(stream[r.at:])
	}
	if err != nil && r.stray {
		r.handshake.over, err = true, nil
	}
	return hellos, err
}

// header reads the header of the next record, or what stands in front of the
// first one. It returns false if the stream ends before that is known.
func (r *records) header(b []byte) (more bool, err error) {
	switch h := &r.handshake; {
	case !isRecord(b) && len(h.message) > 0:
		h.over = true
		return false, errCut
	case !isRecord(b) && h.hellos > 0:
		h.over = true
		return false, nil
	case !isRecord(b) || r.stray && h.hellos == 0 && len(h.message) == 0 && !maybeHello(b):
		r.stray = true
		r.at++
		h.over = r.at == longestPreamble
		return true, nil
	}
	if len(b) < recordHeader || r.stray && len(b) == recordHeader {
		return false, nil
	}
	r.kind, r.left = b[0], int(binary.BigEndian.Uint16(b[3:]))
	r.at += recordHeader
	if r.kind == recordData && r.handshake.hellos > 0 && !r.handshake.early {
		r.handshake.over = true
	}
	return true, nil
}

// body reads bytes of the current record.
func (r *records) body(b []byte) ([]hello, error) {
	if r.kind != recordHandshake {
		return nil, nil
	}
	return r.handshake.write(b)
}

// isRecord reports whether b, as far as it goes, begins with the header of a
// record: of a kind that exists and any version that a server may put up with,
// or of any kind and a version that exists.
func isRecord(b []byte) bool {
	const first, last = 20, 26
	const versionMajor, anyMajor = 3, 16
	exists := b[0] >= first && b[0] <= last
	if len(b) < 2 {
		return true
	}
	return b[1] == versionMajor || exists && b[1] < anyMajor
}

// maybeHello reports whether b, as far as it goes, begins with a record of a
// ClientHello.
func maybeHello(b []byte) bool {
	const versionMajor, clientHello = 3, 1
	return b[0] == recordHandshake && (len(b) < 2 || b[1] == versionMajor) && (len(b) <= recordHeader || b[recordHeader] == clientHello)
}
