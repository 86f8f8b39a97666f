package names

import (
	"fmt"
	"strings"
)

// A Set is a set of blocked domain names, with exceptions. The zero Set is
// empty. After the last name was added, several goroutines may use it at once.
type Set struct {
	rules map[string]rule // by the name, as in a message (RFC 1035, section 3.1) and in lower case
}

// A rule is what the lists contain about a name, and about the names below it.
type rule uint16

const (
	block     rule = 1 << iota // unless another rule says otherwise
	pass                       // an exception to block for the same name and for names above
	data                       // blocks in spite of pass for the same name
	except                     // an exception to every block
	important                  // blocks in spite of except
	allow                      // an exception to all of these
)

// A scope is the set of names that an entry is about. The entry adds the
// product of its rule and its scope.
type scope = rule

const (
	itself scope = 1 << 0
	below  scope = 1 << 8
	tree         = itself | below

	belowShift = 8
)

// An entry is a name in a list.
type entry struct {
	domain string
	rule   rule
	scope  scope
}

// Add blocks a name: "www.example.com" is only that name, ".example.com" is
// example.com and all names below it.
func (s *Set) Add(name string) error { return s.addWord(name, false) }

// Allow adds an exception for a name, written as for Add. It takes precedence
// over everything that blocks.
func (s *Set) Allow(name string) error { return s.addWord(name, true) }

func (s *Set) addWord(name string, allowed bool) error {
	e, err := parseWord(name)
	if err != nil {
		return err
	}
	s.add(e, allowed)
	return nil
}

// add adds an entry. allowed means that it is from a list of exceptions.
func (s *Set) add(e entry, allowed bool) {
	if allowed {
		e.rule = allow
	}
	if s.rules == nil {
		s.rules = make(map[string]rule)
	}
	var b [maxWire]byte
	key, _ := appendWire(b[:0], e.domain) // it is a name: parseDomain made it
	s.rules[string(key)] |= e.rule * e.scope
}

// Has reports whether the name is blocked, itself or as a name below a blocked
// one.
func (s *Set) Has(name string) bool {
	var b [maxWire]byte
	wire, ok := appendWire(b[:0], name)
	return ok && s.lookup(wire) == blocked
}

// HasWire is like Has, but for a name in the form of DNS messages, without
// compression: each label after its length, and an empty label at the end. A
// label may contain dots.
func (s *Set) HasWire(name []byte) bool { return s.lookupWire(name) == blocked }

// ExceptsWire reports whether an exception applies to the name, which is in the
// form of HasWire.
func (s *Set) ExceptsWire(name []byte) bool { return s.lookupWire(name) == excepted }

// A status is the result of looking a name up.
type status uint8

const (
	unlisted status = iota
	blocked
	excepted
)

func (s *Set) lookupWire(name []byte) status {
	var b [maxWire]byte
	if len(name) > len(b) {
		return unlisted
	}
	wire := b[:len(name)]
	for i, c := range name {
		wire[i] = lower(c) // no length is a letter: they end at 63
	}
	return s.lookup(wire)
}

// lookup looks up a name in lower case. Starting with the name itself and going
// upward, the first rule of block, pass and data decides, unless a stronger one
// applies.
func (s *Set) lookup(wire []byte) status {
	var all, nearest rule
	shift := 0
	for len(wire) > 0 && wire[0] != 0 {
		r := s.rules[string(wire)] >> shift & (1<<belowShift - 1)
		shift = belowShift
		all |= r
		if nearest == 0 {
			nearest = r & (block | pass | data)
		}
		wire = wire[min(1+int(wire[0]), len(wire)):]
	}
	switch {
	case all&allow != 0:
		return excepted
	case all&important != 0:
		return blocked
	case all&except != 0, nearest&(pass|data) == pass:
		return excepted
	case nearest != 0:
		return blocked
	}
	return unlisted
}

// Len returns the number of blocked names, without those to which an exception
// applies.
func (s *Set) Len() int {
	n := 0
	for wire, r := range s.rules {
		const blocks = block | data | important
		switch {
		case r&(blocks*itself) != 0 && s.lookup([]byte(wire)) == blocked,
			r&(blocks*below) != 0 && s.lookup([]byte(anyLabel+wire)) == blocked:
			n++
		}
	}
	return n
}

// anyLabel stands for the names below another: lists have no such label.
const anyLabel = "\x01*"

// Exceptions returns the number of exceptions.
func (s *Set) Exceptions() int {
	n := 0
	for _, r := range s.rules {
		if r&((pass|except|allow)*tree) != 0 {
			n++
		}
	}
	return n
}

// String says how many names block, as in "3 names block, 1 exception".
func (s *Set) String() string {
	text, n := " block", s.Len()
	if n == 1 {
		text += "s"
	}
	text = plural(n, "name") + text
	if n := s.Exceptions(); n > 0 {
		text += ", " + plural(n, "exception")
	}
	return text
}

func plural(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

const (
	maxWire  = 255 // RFC 1035, section 2.3.4
	maxLabel = 63
)

// appendWire appends a name, in lower case, as messages contain it. It reports
// whether it is one.
func appendWire(b []byte, name string) ([]byte, bool) {
	name = strings.TrimSuffix(name, ".")
	if name == "" || len(name) > maxWire-2 {
		return b, false
	}
	for found := true; found; {
		var label string
		label, name, found = strings.Cut(name, ".")
		if label == "" || len(label) > maxLabel {
			return b, false
		}
		b = append(b, byte(len(label)))
		for i := range len(label) {
			b = append(b, lower(label[i]))
		}
	}
	return append(b, 0), true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
