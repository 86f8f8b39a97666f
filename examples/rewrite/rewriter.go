package main

import (
	"bytes"
	"errors"

	"github.com/ipqueue/ipqueue/queue"
)

// IANA's protocol numbers.
const (
	protoTCP = 6
	protoUDP = 17
)

var errLength = errors.New("in TCP the new text must have the same length, or be shorter with -pad")

// A rewriter replaces one text with another.
type rewriter struct{ from, to, pad []byte }

// rewrite returns the packet's data with the text replaced, and how often.
func (r *rewriter) rewrite(p queue.Packet) (data []byte, matches int, err error) {
	protocol, _ := p.Transport()
	if protocol != protoTCP && protocol != protoUDP {
		return nil, 0, nil
	}
	matches = bytes.Count(p.Data(), r.from)
	to := r.to
	if protocol == protoTCP && matches > 0 {
		if to, err = r.sameLength(); err != nil {
			return nil, matches, err
		}
	}
	return bytes.ReplaceAll(p.Data(), r.from, to), matches, nil
}

// sameLength returns the new text, padded to the length of the old one.
func (r *rewriter) sameLength() ([]byte, error) {
	missing := len(r.from) - len(r.to)
	if missing < 0 || missing > 0 && len(r.pad) == 0 {
		return nil, errLength
	}
	return append(r.to[:len(r.to):len(r.to)], bytes.Repeat(r.pad, missing)...), nil
}
