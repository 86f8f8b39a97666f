package main

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/ipqueue/ipqueue/checksum"
	"github.com/ipqueue/ipqueue/queue"
)

// IANA's protocol numbers.
const (
	protoTCP = 6
	protoUDP = 17
)

var (
	errFragment = errors.New("only a part of what its checksum covers")
	errPadding  = errors.New("bytes of the link follow the packet")
	errLength   = errors.New("TCP counts bytes: the text must stay as long, or be shorter and have -pad")
)

// A rewriter replaces one text with another.
type rewriter struct {
	from, to, pad []byte
	buffer        []byte // of the packet rewritten last
}

// rewrite returns the packet's payload with the text replaced, and how often.
// It is valid until the next call. Its checksums are still the old ones, which
// Replace repairs.
func (r *rewriter) rewrite(p queue.Packet) (payload []byte, matches int, err error) {
	protocol, segment := p.Transport()
	old := data(protocol, segment)
	matches = bytes.Count(old, r.from)
	if matches == 0 {
		return nil, 0, nil
	}
	if &old[len(old)-1] != &p.Payload[len(p.Payload)-1] {
		return nil, matches, errPadding
	}
	// A fragment is to fit with the others, as they are.
	if _, err := checksum.Valid(p.Payload); errors.Is(err, checksum.ErrLeftAlone) {
		return nil, matches, fmt.Errorf("%w: %w", errFragment, err)
	}
	to := r.to
	if protocol == protoTCP {
		if to, err = r.sameLength(); err != nil {
			return nil, matches, err
		}
	}
	headers := p.Payload[:len(p.Payload)-len(old)]
	r.buffer = append(r.buffer[:0], headers...)
	r.buffer = append(r.buffer, bytes.ReplaceAll(old, r.from, to)...)
	// Replace would take a shorter packet for a cut copy.
	return r.buffer, matches, checksum.Resize(r.buffer)
}

// sameLength returns the new text, padded to the length of the old one.
func (r *rewriter) sameLength() ([]byte, error) {
	missing := len(r.from) - len(r.to)
	if missing < 0 || missing > 0 && len(r.pad) == 0 {
		return nil, errLength
	}
	return append(r.to[:len(r.to):len(r.to)], bytes.Repeat(r.pad, missing)...), nil
}

// data returns what a segment carries behind its UDP header (RFC 768) or TCP
// header (RFC 9293, section 3.1), nil if it is of neither or cut.
func data(protocol uint8, segment []byte) []byte {
	header := 8
	switch {
	case protocol == protoTCP && len(segment) >= 20:
		header = max(20, int(segment[12]>>4)*4)
	case protocol != protoUDP:
		return nil
	}
	if len(segment) < header {
		return nil
	}
	return segment[header:]
}
