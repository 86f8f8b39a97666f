package main

import "golang.org/x/net/dns/dnsmessage"

// ttl is how long resolvers may keep the zero address, in seconds.
const ttl = 60

// reply makes the response to a question that another response, with that
// header and the parser before its answer section, was about. It is nil if
// there can be none.
func reply(was dnsmessage.Header, q dnsmessage.Question, a answer, rest dnsmessage.Parser) []byte {
	m := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID:                 was.ID,
			Response:           true,
			RecursionDesired:   was.RecursionDesired,
			RecursionAvailable: was.RecursionAvailable,
			CheckingDisabled:   was.CheckingDisabled,
		},
		Questions: []dnsmessage.Question{q},
	}
	if a == noName {
		m.RCode = dnsmessage.RCodeNameError
	} else {
		m.Answers = zeroes(q)
	}
	if h, ok := edns(rest); ok {
		m.Additionals = []dnsmessage.Resource{{Header: h, Body: blocked()}}
	}
	b, err := m.Pack()
	if err != nil {
		return nil
	}
	return b
}

// zeroes is the address that leads nowhere, to questions about addresses.
func zeroes(q dnsmessage.Question) []dnsmessage.Resource {
	h := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: ttl}
	switch q.Type {
	case dnsmessage.TypeA:
		return []dnsmessage.Resource{{Header: h, Body: &dnsmessage.AResource{}}}
	case dnsmessage.TypeAAAA:
		return []dnsmessage.Resource{{Header: h, Body: &dnsmessage.AAAAResource{}}}
	}
	return nil
}

// edns returns the header of a response's OPT record, without the upper bits of
// the response code that are in it. A response has one if and only if its
// question had (RFC 6891, section 6.1.1).
func edns(p dnsmessage.Parser) (h dnsmessage.ResourceHeader, ok bool) {
	if p.SkipAllAnswers() != nil || p.SkipAllAuthorities() != nil {
		return h, false
	}
	for {
		h, err := p.AdditionalHeader()
		if err != nil {
			return h, false
		}
		if h.Type == dnsmessage.TypeOPT {
			const extendedRCode = 0xff << 24
			h.TTL &^= extendedRCode
			return h, true
		}
		if p.SkipAdditional() != nil {
			return h, false
		}
	}
}

// blocked tells the resolver why: the extended error Blocked (RFC 8914, section
// 4.16).
func blocked() *dnsmessage.OPTResource {
	const extendedError, code = 15, 15
	return &dnsmessage.OPTResource{Options: []dnsmessage.Option{{Code: extendedError, Data: []byte{0, code}}}}
}
