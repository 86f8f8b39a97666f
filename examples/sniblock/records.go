package main

import (
	"encoding/binary"
	"errors"
)

// records reads the messages of a handshake out of the TLS records that they
// are cut into (RFC 8446, section 5.1). Records may be empty, and others than
// those of the handshake may come before and between them: some servers pass
// over them.
type records struct {
	handshake handshake
	at        int  // how much of the stream has been read
	left      int  // bytes of the current record beyond that
	kind      byte // of the current record
}

const recordHandshake, recordData = 22, 23

var errCut = errors.New("ClientHello that is cut off")

// read reads on in the stream, which is the same as before or has grown, and
// returns what handshake.write does.
func (r *records) read(stream []byte) (hellos []hello, err error) {
	for !r.handshake.over && r.at < len(stream) && err == nil {
		if r.left > 0 {
			var more []hello
			n := min(r.left, len(stream)-r.at)
			more, err = r.body(stream[r.at : r.at+n])
			hellos = append(hellos, more...)
			r.at += n
			r.left -= n
			continue
		}
		ok := false
		if ok, err = r.header(stream[r.at:]); !ok {
			break
		}
	}
	return hellos, err
}

// header reads the header of the next record. It is not ok if the stream ends
// before it does, or if there is none.
func (r *records) header(b []byte) (ok bool, err error) {
	const size = 5
	if !isRecord(b) {
		r.handshake.over = true
		if len(r.handshake.message) > 0 {
			err = errCut
		}
		return false, err
	}
	if len(b) < size {
		return false, nil
	}
	r.kind, r.left = b[0], int(binary.BigEndian.Uint16(b[3:]))
	r.at += size
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
