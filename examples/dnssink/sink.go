package main

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/ipqueue/ipqueue/examples/dnssink/names"
	"github.com/ipqueue/ipqueue/queue"
)

// A sink blocks the names of a list. Only one goroutine may use it.
type sink struct {
	names   *names.Set
	answer  answer
	lenient bool // unreadable messages pass
	streams streams
	notes   *notes

	refused, unreadable int // numbers of messages
}

// tell prints what happens to a packet.
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

// A finding is the classification of a message.
type finding uint8

const (
	harmless   finding = iota // it does not lead to a listed name
	listed                    // its question is a listed name, or its answers lead to one
	unreadable                // it could not be read completely
)

// A verdict is the decision about one DNS message.
type verdict struct {
	finding finding
	name    string // the name in the question; "" if unknown
	kind    string // the type in the question: "A", "AAAA", "MX", ...
	via     string // the listed name that the answers lead to, if it is not name
	err     error  // why the message is unreadable
	reply   []byte // replaces a listed message; nil to drop it
}

// judge decides a message. It keeps no reference to it.
func (s *sink) judge(message []byte) verdict {
	if len(message) < headerLen {
		return verdict{} // receivers ignore it: it is not a DNS message
	}
	var m parsed
	m.readHeader(message)
	switch {
	case m.flags&flagResponse != 0: // whatever its opcode, which some receivers ignore
	case m.flags&maskOpcode != 0: // not a query for a name, but for example an update
		return verdict{}
	case s.answer != drop: // a query passes, and its response is decided
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

// A parsed contains the parts of a message that matter.
type parsed struct {
	id, flags uint16
	counts    [4]uint16 // numbers of entries in the sections
	questions int       // number of elements of question that are set
	question  [maxQuestions]question
	listed    bool
	via       name // the first listed name, if listed
	hasEDNS   bool
	edns      edns
}

// maxQuestions is the number of questions that a reply answers. Clients ask
// only one.
const maxQuestions = 4

func (m *parsed) readHeader(message []byte) {
	m.id, m.flags = binary.BigEndian.Uint16(message), binary.BigEndian.Uint16(message[2:])
	for i := range m.counts {
		m.counts[i] = binary.BigEndian.Uint16(message[4+2*i:])
	}
}

// The sections of a message after the questions.
const (
	answerSection = 1 + iota
	authoritySection
	additionalSection
)

// read parses a message, and sets m.via to the first listed name that it leads
// to.
func (s *sink) read(m *parsed, message []byte) error {
	r := reader{message: message, at: headerLen}
	for range m.counts[0] {
		var q question
		if err := r.question(&q); err != nil {
			return err
		}
		if m.counts[0] == 1 && s.names.ExceptsWire(q.name.wire()) {
			return nil // an allowed name allows its aliases as well
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
				return nil // the sender has truncated it, and the receiver asks again over TCP
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
	return nil // bytes after the sections are ignored
}

// look checks the names in a record. Those in the answer section are the
// queried name and the names that it leads to. Those in the authority and
// additional sections, such as servers of other zones, are not, except that the
// additional section may continue a chain of aliases (RFC 9460, section 4.2).
func (s *sink) look(m *parsed, r *reader, rr *record, section int, previous *name) error {
	if section == answerSection && rr.kind != typeDNAME && *previous != rr.owner { // the owner of a DNAME is only a parent
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

// follow follows the aliases of the queried names, as a receiver does. That is
// necessary for DNAME records, from which receivers make CNAME records
// themselves (RFC 6672, section 3.4). answers must be at the start of the
// answer section.
func (s *sink) follow(m *parsed, answers reader) {
	const most = 16 // resolvers follow about 11
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

// note sets m.via if n is the first listed name.
func (s *sink) note(m *parsed, n *name) {
	if !m.listed && s.names.HasWire(n.wire()) {
		m.listed, m.via = true, *n
	}
}
