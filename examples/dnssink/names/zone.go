package names

import (
	"errors"
	"fmt"
	"strings"
)

// A zone is a response policy zone that is being read: a zone file whose records
// are a policy for the names that they have.
type zone struct {
	origin      string // in lower case, with a dot at its end; "" if it is not known
	apex        string // the owner of the SOA record
	owner       string // of the record before
	parentheses bool   // a record goes on in the next line
}

// types are the types of the records that such zones have.
var types = map[string]bool{
	"SOA": true, "NS": true, "CNAME": true, "A": true, "AAAA": true, "TXT": true, "DNAME": true,
	"PTR": true, "MX": true, "SRV": true, "HTTPS": true, "SVCB": true, "LOC": true, "RRSIG": true,
}

// cutRecord returns the words of a line if it is a record of a zone, without its
// comment. The first is the owner: "" for that of the record before, which an
// indented line may leave out.
func cutRecord(text string, indented bool) ([]string, bool) {
	before, _, _ := strings.Cut(text, ";")
	words := strings.Fields(before)
	if indented {
		without := append([]string{""}, words...)
		if _, found := findType(without); found {
			return without, true
		}
	}
	_, found := findType(words)
	return words, found
}

// findType returns where the type of a record is, behind its owner and possibly
// a time to live and a class.
func findType(words []string) (int, bool) {
	for i := 1; i < len(words); i++ {
		switch {
		case types[strings.ToUpper(words[i])]:
			return i, i+1 < len(words) // its data follow
		case !isTTLOrClass(words[i]):
			return 0, false
		}
	}
	return 0, false
}

func isTTLOrClass(word string) bool {
	switch strings.ToUpper(word) {
	case "IN", "CH", "HS":
		return true
	}
	return word != "" && '0' <= word[0] && word[0] <= '9' && strings.Trim(word, "0123456789smhdwSMHDW") == ""
}

// insideParentheses reads on in a record that has several lines.
func (z *zone) insideParentheses(text string) error {
	text, _, _ = strings.Cut(text, ";")
	z.parentheses = !strings.Contains(text, ")")
	return nil
}

// parseRecord reads a record of the zone, or one of its directives.
func (z *zone) parseRecord(words []string) ([]entry, error) {
	if strings.HasPrefix(words[0], "$") {
		return nil, z.directive(words)
	}
	at, _ := findType(words)
	if words[0] != "" {
		z.owner = asciiLower(words[0])
	} else if z.owner == "" {
		return nil, errors.New("a record without an owner")
	}
	kind, data := strings.ToUpper(words[at]), words[at+1:]
	if kind == "SOA" {
		text := strings.Join(data, " ")
		z.parentheses = strings.Contains(text, "(") && !strings.Contains(text, ")")
		z.apex = z.owner
		if z.origin == "" && strings.HasSuffix(z.owner, ".") {
			z.origin = z.owner
		}
		return nil, nil
	}
	if z.owner == "@" || z.owner == z.origin || z.owner == z.apex {
		switch kind {
		case "CNAME", "DNAME", "A", "AAAA":
			return nil, fmt.Errorf("%s for the zone itself: only names below it can be blocked", kind)
		}
		return nil, nil // the records of the zone itself
	}
	return z.policy(kind, asciiLower(data[0]))
}

func (z *zone) directive(words []string) error {
	name := strings.ToUpper(words[0])
	if len(words) == 2 && name == "$TTL" {
		return nil
	}
	if len(words) == 2 && name == "$ORIGIN" {
		z.origin = strings.TrimSuffix(asciiLower(words[1]), ".") + "."
		return nil
	}
	return fmt.Errorf("%s is not supported", words[0])
}

// policy returns what a record says about its owner.
func (z *zone) policy(kind, data string) ([]entry, error) {
	e := entry{scope: itself}
	owner := z.owner
	if rest, found := strings.CutSuffix(owner, "."+z.origin); found && z.origin != "" {
		owner = rest
	}
	name, isWildcard := strings.CutPrefix(owner, "*.")
	if isWildcard {
		e.scope = below
	}
	trigger := name[strings.LastIndexByte(name, '.')+1:]
	if strings.HasPrefix(trigger, "rpz-") {
		return nil, fmt.Errorf("%q does not match the queried name: %s is not supported", owner, trigger)
	}
	switch {
	case (kind == "A" || kind == "AAAA") && isSink(data):
		e.rule = block
	case kind != "CNAME":
		return nil, fmt.Errorf("%q has data of its own (%s %s): that is not supported", owner, kind, data)
	case data == "." || data == "*." || data == "rpz-drop.":
		e.rule = block
	case data == "rpz-passthru." || data == owner || data == owner+".":
		e.rule = pass
	default:
		return nil, fmt.Errorf("%q leads to %s: only CNAME with . or *. or rpz-drop. or rpz-passthru. is supported", owner, data)
	}
	domain, err := parseDomain(name)
	if err != nil {
		return nil, err
	}
	e.domain = domain
	return []entry{e}, nil
}
