package main

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/ipqueue/ipqueue/examples/dnssink/names"
	"github.com/ipqueue/ipqueue/queue"
)

// A sink swallows the names of a list. It is for one goroutine.
type sink struct {
	names   *names.Set
	answer  answer
	lenient bool // what is unreadable passes
	streams streams
	notes   *notes

	refused, unreadable int // messages
}

// tell prints what becomes of a packet.
func (s *sink) tell(becomes string, v verdict, p queue.Packet) {
	what := strings.TrimSuffix(v.name, ".")
	if v.via != "" {
		what += " > " + strings.TrimSuffix(v.via, ".")
	}
	if v.err != nil {
		what = strings.TrimSpace(what + " " + v.err.Error())
	}
	s.notes.printf("%-8s  %-5s  %-40s  %v\n", becomes, v.kind, what, p.Flow())
}

// A finding is what the sink makes of a message.
type finding uint8

const (
	harmless   finding = iota // nothing in it leads to a listed name
	listed                    // it is about a listed name, or leads to one
	unreadable                // it could not be read to its end
)

// A verdict is about one DNS message.
type verdict struct {
	finding finding
	name    string // what the message asks for; "" if that is not known
	kind    string // which data: "A", "AAAA", "MX", ...
	via     string // the listed name that it leads to, if that is another one
	err     error  // why it is unreadable
	reply   []byte // takes the place of a listed message; nil if nothing does
}

// judge keeps nothing of message.
func (s *sink) judge(message []byte) verdict {
	if len(message) < headerLen {
		return verdict{} // no receiver takes it for a DNS message
	}
	var m parsed
	m.readHeader(message)
	switch {
	case m.flags&flagResponse != 0: // whatever it answers: some receivers do not look at the opcode
	case m.flags&maskOpcode != 0: // it asks for no name: an update, for example
		return verdict{}
	case s.answer != drop: // its response will be judged
		return verdict{}
	}
	err := s.read(&m, message)
	v := verdict{}
	switch {
	case m.listed:
		v.finding = listed
		if s.answer != drop {
			v.reply = m.reply(s.answer)
		}
	case err != nil:
		v.finding, v.err = unreadable, fmt.Errorf("the message %w", err)
	default:
		return verdict{}
	}
	if m.questions > 0 {
		q := &m.question[0]
		v.name, v.kind = q.name.String(), kind(q.kind)
	}
	if via := m.via.String(); m.listed && via != v.name {
		v.via = via
	}
	return v
}

// A parsed message is what matters of it.
type parsed struct {
	id, flags uint16
	counts    [4]uint16 // of the sections' entries
	questions int       // how many of them are in question
	question  [maxQuestions]question
	listed    bool
	via       name // the first listed name, if listed
	hasEDNS   bool
	edns      edns
}

// maxQuestions is how many questions are answered. Nobody asks more than one.
const maxQuestions = 4

func (m *parsed) readHeader(message []byte) {
	m.id, m.flags = binary.BigEndian.Uint16(message), binary.BigEndian.Uint16(message[2:])
	for i := range m.counts {
		m.counts[i] = binary.BigEndian.Uint16(message[4+2*i:])
	}
}

// The sections of a message, behind the questions.
const (
	answerSection = 1 + iota
	authoritySection
	additionalSection
)

// read reads all of a message, and notes the first listed name that it leads to.
func (s *sink) read(m *parsed, message []byte) error {
	r := reader{message: message, at: headerLen}
	for range m.counts[0] {
		var q question
		if err := r.question(&q); err != nil {
			return err
		}
		if m.counts[0] == 1 && s.names.ExceptsWire(q.name.wire()) {
			return nil // so are its aliases
		}
		if m.questions < maxQuestions {
			m.question[m.questions] = q
			m.questions++
		}
		s.note(m, &q.name)
	}
	var previous name
	first, hasDNAME := r.at, false
	for section := answerSection; section <= additionalSection; section++ {
		for range m.counts[section] {
			if r.at == len(message) && m.flags&flagTruncated != 0 {
				return nil // as the sender says; the receiver asks again, by TCP
			}
			var rr record
			if err := r.record(&rr); err != nil {
				return err
			}
			if err := s.look(m, &r, &rr, section, &previous); err != nil {
				return err
			}
			hasDNAME = hasDNAME || rr.kind == typeDNAME && section == answerSection
		}
	}
	if hasDNAME && !m.listed {
		s.follow(m, reader{message: message, at: first})
	}
	return nil // what follows is no part of the message
}

// look looks at a record. Answers are about what was asked for, or what that leads
// to; the servers of other zones are not, in the authority section and beside it.
// Yet the additional section may go on with the aliases (RFC 9460, section 4.2).
func (s *sink) look(m *parsed, r *reader, rr *record, section int, previous *name) error {
	if section == answerSection && rr.kind != typeDNAME && *previous != rr.owner { // whose owner is above
		s.note(m, &rr.owner)
		*previous = rr.owner
	}
	if rr.kind == typeOPT && section == additionalSection && !m.hasEDNS {
		m.hasEDNS, m.edns = true, parseEDNS(rr.class, rr.ttl, r.message[rr.data:rr.end])
		return nil
	}
	var target name
	if err := r.target(rr, &target); err != nil {
		return err
	}
	if section == answerSection || section == additionalSection && goesOn(rr.kind) {
		s.note(m, &target)
	}
	return nil
}

func goesOn(kind uint16) bool {
	return kind == typeCNAME || kind == typeDNAME || kind == typeSVCB || kind == typeHTTPS
}

// follow follows the aliases from what was asked for, as a receiver does. It is for
// DNAME records, whose receivers make the CNAME records themselves (RFC 6672,
// section 3.4). The reader is before the answers.
func (s *sink) follow(m *parsed, answers reader) {
	const most = 16 // resolvers follow 11 or so
	for i := range m.questions {
		at := m.question[i].name
		for range most {
			if !answers.alias(&at, int(m.counts[answerSection])) {
				break
			}
			s.note(m, &at)
		}
	}
}

// note remembers the first name that is listed.
func (s *sink) note(m *parsed, n *name) {
	if !m.listed && s.names.HasWire(n.wire()) {
		m.listed, m.via = true, *n
	}
}
