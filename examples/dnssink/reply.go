package main

import "encoding/binary"

// ttl is the time for which resolvers may cache a replacement, in seconds.
const ttl = 60

// maxReply is what every client takes by UDP (RFC 1035, section 4.2.1).
const maxReply = 512

const (
	success   = 0
	nameError = 3
)

// reply makes the response that takes the place of another one. It is nil if there
// can be none.
func (m *parsed) reply(a answer) []byte {
	if m.questions == 0 || m.questions < int(m.counts[0]) {
		return nil
	}
	rcode := uint16(success)
	if a == noName {
		rcode = nameError
	}
	b := make([]byte, headerLen, maxReply)
	binary.BigEndian.PutUint16(b, m.id)
	binary.BigEndian.PutUint16(b[2:], flagResponse|m.flags&(maskOpcode|flagRD|flagRA|flagCD)|rcode)
	binary.BigEndian.PutUint16(b[4:], uint16(m.questions))
	for i := range m.questions {
		b = m.question[i].append(b)
	}
	q := &m.question[0]
	if data := q.zero(); a == zero && data != nil {
		b = appendRecord(b, pointer(headerLen), q.kind, q.class, data)
		binary.BigEndian.PutUint16(b[6:], 1)
	} else {
		b = appendRecord(b, q.zone(rcode), typeSOA, q.class, soa)
		binary.BigEndian.PutUint16(b[8:], 1)
	}
	if m.hasEDNS {
		b = m.edns.append(b)
		binary.BigEndian.PutUint16(b[10:], 1)
	}
	if len(b) > maxReply {
		return nil
	}
	return b
}

func (q *question) append(b []byte) []byte {
	b = append(b, q.name.wire()...)
	b = binary.BigEndian.AppendUint16(b, q.kind)
	return binary.BigEndian.AppendUint16(b, q.class)
}

// zero returns the address that leads nowhere, nil if the question is about no
// address.
func (q *question) zero() []byte {
	switch {
	case q.class == classIN && q.kind == typeA:
		return make([]byte, 4)
	case q.class == classIN && q.kind == typeAAAA:
		return make([]byte, 16)
	}
	return nil
}

// zone returns the name of a zone that can contain the negative answer. The
// name of a zone exists, so for a name that does not exist it is the parent.
func (q *question) zone(rcode uint16) []byte {
	label := 0
	if rcode == nameError && q.name.n > 1 {
		label = 1 + int(q.name.b[0])
	}
	if label == q.name.n-1 {
		return []byte{0} // the root
	}
	return pointer(headerLen + label)
}

// pointer returns a compression pointer to a name in the message.
func pointer(at int) []byte { return []byte{0xc0 | byte(at>>8), byte(at)} }

func appendRecord(b, owner []byte, kind, class uint16, data []byte) []byte {
	b = append(b, owner...)
	b = binary.BigEndian.AppendUint16(b, kind)
	b = binary.BigEndian.AppendUint16(b, class)
	b = binary.BigEndian.AppendUint32(b, ttl)
	b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
	return append(b, data...)
}

// soa is the data of the SOA record in a negative answer. Resolvers cache the
// answer for the time in its last number (RFC 2308, section 3).
var soa = []byte("\x09localhost\x00" + "\x06nobody\x07invalid\x00" +
	"\x00\x00\x00\x01" + "\x00\x00\x0e\x10" + "\x00\x00\x02\x58" + "\x00\x01\x51\x80" + "\x00\x00\x00\x3c")

// An edns is the content of the OPT record of a response (RFC 6891, section
// 6.1.2). A response has one if and only if its query had one.
type edns struct {
	size   uint16 // the largest datagram that the server accepts
	dnssec bool   // the flag DO
	cookie []byte // cookies of client and server; nil if there are none
}

const (
	optionCookie        = 10 // RFC 7873
	optionExtendedError = 15 // RFC 8914
)

func parseEDNS(class uint16, ttl uint32, options []byte) edns {
	e := edns{size: class, dnssec: ttl&(1<<15) != 0}
	for len(options) >= 4 {
		code, n := binary.BigEndian.Uint16(options), 4+int(binary.BigEndian.Uint16(options[2:]))
		if n > len(options) {
			break
		}
		const most = 8 + 32 // cookies of client and server
		if data := options[4:n]; code == optionCookie && e.cookie == nil && len(data) <= most {
			e.cookie = data
		}
		options = options[n:]
	}
	return e
}

// append appends the OPT record. A client that has a cookie of the server drops
// responses without it.
func (e *edns) append(b []byte) []byte {
	var options []byte
	if e.cookie != nil {
		options = appendOption(options, optionCookie, e.cookie)
	}
	const blocked = "\x00\x0f" // RFC 8914, section 4.16
	options = appendOption(options, optionExtendedError, []byte(blocked))
	b = append(b, 0, 0, typeOPT)
	b = binary.BigEndian.AppendUint16(b, e.size)
	flags := uint32(0) // includes the upper bits of the response code, and the version
	if e.dnssec {
		flags = 1 << 15
	}
	b = binary.BigEndian.AppendUint32(b, flags)
	b = binary.BigEndian.AppendUint16(b, uint16(len(options)))
	return append(b, options...)
}

func appendOption(b []byte, code uint16, data []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, code)
	b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
	return append(b, data...)
}
