package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Types of records (IANA, DNS parameters) that the program treats by themselves.
const (
	typeA     = 1
	typeCNAME = 5
	typeSOA   = 6
	typeAAAA  = 28
	typeNAPTR = 35
	typeDNAME = 39
	typeOPT   = 41
	typeSVCB  = 64
	typeHTTPS = 65
)

const classIN = 1

// targets lists the types of records that lead to another name, and how many bytes
// of their data precede that name.
var targets = map[uint16]int{
	2: 0, 3: 0, 4: 0, typeCNAME: 0, 7: 0, 8: 0, 9: 0, 12: 0, typeDNAME: 0, // NS MD MF CNAME MB MG MR PTR DNAME
	15: 2, 18: 2, 21: 2, 36: 2, 107: 2, // MX AFSDB RT KX LP: behind a preference
	typeSVCB: 2, typeHTTPS: 2, // after a priority, which is 0 for an alias
	33: 6, // SRV: after priority, weight and port
}

var kinds = map[uint16]string{
	typeA: "A", 2: "NS", typeCNAME: "CNAME", typeSOA: "SOA", 12: "PTR", 15: "MX", 16: "TXT", typeAAAA: "AAAA", 33: "SRV",
	typeNAPTR: "NAPTR", typeDNAME: "DNAME", 43: "DS", 46: "RRSIG", 48: "DNSKEY", typeSVCB: "SVCB", typeHTTPS: "HTTPS", 255: "ANY",
}

// kind names a type of records.
func kind(t uint16) string {
	if name, ok := kinds[t]; ok {
		return name
	}
	return fmt.Sprintf("TYPE%d", t)
}

const headerLen = 12

// Flags of a message (RFC 1035, section 4.1.1; RFC 4035, section 3.1.6).
const (
	flagResponse  = 1 << 15
	flagTruncated = 1 << 9
	flagRD        = 1 << 8
	flagRA        = 1 << 7
	flagCD        = 1 << 4
	maskOpcode    = 15 << 11
)

// A name is one from a message, without compression.
type name struct {
	b [255]byte
	n int
}

func (n *name) wire() []byte { return n.b[:n.n] }

// String shows the name as zone files do (RFC 1035, section 5.1), with a dot at its
// end.
func (n *name) String() string {
	if n.n <= 1 {
		return "."
	}
	var s strings.Builder
	for b := n.wire(); b[0] != 0; b = b[1+b[0]:] {
		for _, c := range b[1 : 1+b[0]] {
			switch {
			case c == '.' || c == '\\' || c == '"' || c == ';':
				s.WriteByte('\\')
				s.WriteByte(c)
			case c <= ' ' || c > '~':
				fmt.Fprintf(&s, "\\%03d", c)
			default:
				s.WriteByte(c)
			}
		}
		s.WriteByte('.')
	}
	return s.String()
}

var (
	errCut      = errors.New("ends early")
	errName     = errors.New("has an invalid name")
	errPointers = errors.New("has too many compression pointers")
	errData     = errors.New("has a record that ends early")
)

// maxPointers is the number of compression pointers to follow in one message. A
// name may contain any number of them.
const maxPointers = 1 << 16

// A reader parses a DNS message from start to end. It accepts everything that
// some receiver accepts.
type reader struct {
	message  []byte
	at       int
	pointers int // number of pointers followed so far
}

func (r *reader) uint16() (uint16, error) {
	if len(r.message)-r.at < 2 {
		return 0, errCut
	}
	r.at += 2
	return binary.BigEndian.Uint16(r.message[r.at-2:]), nil
}

// name parses a name and moves past it. Pointers may lead anywhere, because
// some receivers also follow them forward.
func (r *reader) name(n *name) error {
	n.n = 0
	next := 0 // the position after the first pointer
	for at := r.at; ; {
		if at >= len(r.message) {
			return errCut
		}
		switch c := int(r.message[at]); c >> 6 {
		case 0:
			label := r.message[at:min(at+1+c, len(r.message))]
			if len(label) < 1+c {
				return errCut
			}
			if n.n+len(label) > len(n.b) {
				return errName
			}
			n.n += copy(n.b[n.n:], label)
			at += len(label)
			if c == 0 {
				r.at = max(at, next)
				if next != 0 {
					r.at = next
				}
				return nil
			}
		case 3:
			if at+1 >= len(r.message) {
				return errCut
			}
			if r.pointers++; r.pointers > maxPointers {
				return errPointers
			}
			if next == 0 {
				next = at + 2
			}
			at = int(binary.BigEndian.Uint16(r.message[at:]) & 0x3fff)
		default: // other types of label are not in use
			return errName
		}
	}
}

// A question is a question in a message.
type question struct {
	name        name
	kind, class uint16
}

func (r *reader) question(q *question) (err error) {
	if err = r.name(&q.name); err != nil {
		return err
	}
	if q.kind, err = r.uint16(); err != nil {
		return err
	}
	q.class, err = r.uint16()
	return err
}

// A record is a record in a message. Its data is message[data:end].
type record struct {
	owner       name
	kind, class uint16
	ttl         uint32
	data, end   int
}

// record parses a record, except its data.
func (r *reader) record(rr *record) error {
	if err := r.name(&rr.owner); err != nil {
		return err
	}
	const fixed = 10 // from the type to the length of the data
	if len(r.message)-r.at < fixed {
		return errCut
	}
	b := r.message[r.at:]
	rr.kind, rr.class, rr.ttl = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[4:])
	rr.data = r.at + fixed
	rr.end = rr.data + int(binary.BigEndian.Uint16(b[8:]))
	if rr.end > len(r.message) {
		return errCut
	}
	r.at = rr.end
	return nil
}

// target parses the name that a record leads to. It is the root if there is
// none.
func (r *reader) target(rr *record, n *name) error {
	n.n = 0
	skip, leads := targets[rr.kind]
	if rr.kind == typeNAPTR {
		leads = true
		var err error
		if skip, err = r.skipNAPTR(rr); err != nil {
			return err
		}
	}
	if !leads {
		return nil
	}
	data := reader{message: r.message, at: rr.data + skip, pointers: r.pointers}
	if data.at >= rr.end {
		return errData
	}
	err := data.name(n)
	r.pointers = data.pointers
	if err == nil && data.at > rr.end {
		err = errData
	}
	return err
}

// skipNAPTR returns how many bytes precede the replacement (RFC 3403, section
// 4.1): order and preference, then flags, services and a regular expression.
func (r *reader) skipNAPTR(rr *record) (int, error) {
	at := rr.data + 4
	for range 3 {
		if at >= rr.end {
			return 0, errData
		}
		at += 1 + int(r.message[at])
	}
	return at - rr.data, nil
}

// alias replaces a name by the target of its first alias among the next
// records. It returns false if there is none. The reader does not move.
func (r reader) alias(n *name, records int) bool {
	for range records {
		var rr record
		if r.record(&rr) != nil {
			return false
		}
		if rr.kind != typeCNAME && rr.kind != typeDNAME {
			continue
		}
		above := n.above(&rr.owner)
		if above < 0 || (above == 0) != (rr.kind == typeCNAME) {
			continue
		}
		var to name
		if r.target(&rr, &to) != nil || above+to.n > len(to.b) {
			return false
		}
		to.n = copy(n.b[above:], to.wire())
		n.n = above + to.n
		return true
	}
	return false
}

// above returns the number of bytes in n before its suffix other: 0 if the
// names are the same, -1 if n does not end with other.
func (n *name) above(other *name) int {
	at := n.n - other.n
	for i := 0; i <= at; i += 1 + int(n.b[i]) {
		if i == at && sameFold(n.b[i:n.n], other.wire()) {
			return at
		}
	}
	return -1
}

// sameFold compares a and b, which have the same length, ignoring the case of
// ASCII letters.
func sameFold(a, b []byte) bool {
	for i := range a {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
