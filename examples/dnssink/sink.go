package main

import (
	"strings"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/ipqueue/ipqueue/examples/dnssink/names"
)

// A sink swallows the names of a list.
type sink struct {
	names  names.Set
	answer answer
}

// A verdict is about one DNS message. The zero verdict lets it pass.
type verdict struct {
	name  string // what it asks for, if it shall not pass
	kind  string // which data: "A", "AAAA", "MX", ...
	reply []byte // goes in its place; nil if nothing does
}

// judge keeps nothing of message. A message that makes no sense passes.
func (s *sink) judge(message []byte) verdict {
	var p dnsmessage.Parser
	header, err := p.Start(message)
	if err != nil || header.OpCode != 0 {
		return verdict{}
	}
	if !header.Response && s.answer != drop {
		return verdict{} // its response will not
	}
	questions, err := p.AllQuestions()
	if err != nil || len(questions) != 1 {
		return verdict{}
	}
	q := questions[0]
	if !s.names.Has(q.Name.String()) && !s.hasAlias(p) {
		return verdict{}
	}
	v := verdict{name: q.Name.String(), kind: strings.TrimPrefix(q.Type.String(), "Type")}
	if s.answer != drop {
		v.reply = reply(header, q, s.answer, p)
	}
	return v
}

// hasAlias reports whether an alias in the answer section, before which the
// parser stands, leads to a listed name.
func (s *sink) hasAlias(p dnsmessage.Parser) bool {
	for {
		h, err := p.AnswerHeader()
		if err != nil { // dnsmessage.ErrSectionDone, or nonsense
			return false
		}
		if h.Type != dnsmessage.TypeCNAME {
			err = p.SkipAnswer()
		} else if alias, broken := p.CNAMEResource(); broken != nil {
			err = broken
		} else if s.names.Has(alias.CNAME.String()) {
			return true
		}
		if err != nil {
			return false
		}
	}
}
