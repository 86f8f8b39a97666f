// Package names holds lists of domain names, for the examples that filter by
// them.
package names

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
)

// A Set is a list of domain names. The zero Set is empty. It may be asked by
// any number of goroutines once nothing is added any more.
type Set struct {
	below map[string]bool // whether the names below it are listed, too
}

// Add lists a name: "www.example.com" for that one alone, ".example.com" for
// example.com and all names below it. Upper and lower case are the same, and a
// dot at the end says nothing.
func (s *Set) Add(name string) error {
	domain, below := strings.CutPrefix(name, ".")
	domain = canonical(domain)
	if err := check(domain); err != nil {
		return fmt.Errorf("name %q: %w", name, err)
	}
	if s.below == nil {
		s.below = make(map[string]bool)
	}
	s.below[domain] = s.below[domain] || below
	return nil
}

// Read adds the names of a file: one or more in a line, or a line of a hosts
// file, whose address does not matter. What follows a # is a comment. Its
// errors name the line.
func (s *Set) Read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	number := 0
	for lines.Scan() {
		number++
		if err := s.addLine(lines.Text()); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("line %d: %w", number+1, err)
	}
	return nil
}

func (s *Set) addLine(line string) error {
	line, _, _ = strings.Cut(line, "#")
	words := strings.Fields(line)
	if len(words) > 1 {
		if _, err := netip.ParseAddr(words[0]); err == nil {
			words = words[1:]
		}
	}
	for _, word := range words {
		if err := s.Add(word); err != nil {
			return err
		}
	}
	return nil
}

// Len is how many entries the list has.
func (s *Set) Len() int { return len(s.below) }

// Has reports whether the name is listed, by itself or below another one.
func (s *Set) Has(name string) bool {
	domain := canonical(name)
	if _, listed := s.below[domain]; listed {
		return true
	}
	for found := true; found; {
		if s.below[domain] {
			return true
		}
		_, domain, found = strings.Cut(domain, ".")
	}
	return false
}

func canonical(name string) string {
	return strings.ToLower(strings.TrimSuffix(name, "."))
}

// check holds the name to RFC 1035, section 2.3.4.
func check(domain string) error {
	if len(domain) > 253 {
		return errors.New("is longer than 253 bytes")
	}
	for label := range strings.SplitSeq(domain, ".") {
		if len(label) == 0 || len(label) > 63 {
			return errors.New("needs 1 to 63 bytes between its dots")
		}
	}
	for _, c := range []byte(domain) {
		if c <= ' ' || c > '~' {
			return errors.New("has a byte that is no ASCII letter: write xn--... for it")
		}
	}
	return nil
}
