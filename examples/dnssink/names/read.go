package names

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// ReadFile adds the names of a file. It reads to the end: if lines are not
// understood the others are added all the same, and the error, a *SyntaxError,
// names the file and the first such line.
func (s *Set) ReadFile(file string) error { return s.readFile(file, false) }

// AllowFile is ReadFile for a list of exceptions: whatever the file names is
// treated as by Allow.
func (s *Set) AllowFile(file string) error { return s.readFile(file, true) }

func (s *Set) readFile(file string, allowed bool) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	err = s.read(f, allowed)
	var syntax *SyntaxError
	switch {
	case errors.As(err, &syntax):
		syntax.File = file
	case err != nil:
		err = fmt.Errorf("%s: %w", file, err)
	}
	return err
}

// Read is ReadFile for a list that is no file.
func (s *Set) Read(r io.Reader) error { return s.read(r, false) }

// A SyntaxError reports the lines of a list that could not be read.
type SyntaxError struct {
	File  string // "" if the list is no file
	Line  int    // the first of them, counted from 1
	Err   error  // what is wrong with it
	Lines int    // how many there are
}

// Error returns one line of text.
func (e *SyntaxError) Error() string {
	file := e.File
	if file == "" {
		file = "line "
	} else {
		file += ":"
	}
	text := fmt.Sprintf("%s%d: %s", file, e.Line, shortened(e.Err.Error()))
	if more := e.Lines - 1; more > 0 {
		text += fmt.Sprintf(" (and %s)", plural(more, "more line"))
	}
	return text
}

// shortened cuts the middle out of a text that quotes a very long line, as files
// have that are no lists.
func shortened(text string) string {
	const head, tail = 200, 200
	if len(text) <= head+tail {
		return text
	}
	return strings.ToValidUTF8(text[:head], "") + " ... " + strings.ToValidUTF8(text[len(text)-tail:], "")
}

// Unwrap returns Err.
func (e *SyntaxError) Unwrap() error { return e.Err }

// maxLine is the longest line of a list.
const maxLine = 1 << 24

func (s *Set) read(r io.Reader, allowed bool) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	lines.Split(splitLine)
	var p parser
	var failed *SyntaxError
	fail := func(err error) {
		if failed == nil {
			failed = &SyntaxError{Line: p.number, Err: err}
		}
		failed.Lines++
	}
	for lines.Scan() {
		p.number++
		entries, err := p.parse(lines.Text())
		if err != nil {
			fail(err)
			continue
		}
		for _, e := range entries {
			s.add(e, allowed)
		}
	}
	p.number++
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		fail(err)
	case err != nil:
		return err
	case p.parentheses:
		fail(errors.New("the list ends inside parentheses"))
	}
	if failed == nil {
		return nil
	}
	return failed
}

// splitLine is a bufio.SplitFunc for lines that end with a line feed, a carriage
// return or both.
func splitLine(data []byte, atEOF bool) (advance int, token []byte, err error) {
	end := bytes.IndexAny(data, "\r\n")
	switch {
	case end < 0 && atEOF && len(data) > 0:
		return len(data), data, nil
	case end < 0, data[end] == '\r' && end+1 == len(data) && !atEOF: // more is needed
		return 0, nil, nil
	}
	advance = end + 1
	if bytes.HasPrefix(data[end:], []byte("\r\n")) {
		advance++
	}
	return advance, data[:end], nil
}

// A parser reads the lines of one list.
type parser struct {
	number int // of the line
	zone
}

// parse returns the names of a line.
func (p *parser) parse(text string) ([]entry, error) {
	if p.number == 1 && (strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff")) {
		return nil, errors.New("the list is UTF-16: it must be UTF-8")
	}
	text = strings.TrimPrefix(text, "\ufeff") // also where lists were put together
	indented := strings.HasPrefix(text, " ") || strings.HasPrefix(text, "\t")
	text = strings.TrimSpace(text)
	if p.parentheses {
		return nil, p.insideParentheses(text)
	}
	if text == "" || isComment(text) {
		return nil, nil
	}
	if text[0] == '!' {
		return nil, directive(text)
	}
	if isAdblock(text) {
		return parseAdblock(cutComment(text))
	}
	if key, value, found := cutKey(text, '='); found {
		return parseDnsmasq(key, cutComment(value))
	}
	if key, value, found := cutKey(text, ':'); found {
		return parseUnbound(key, cutComment(" "+value))
	}
	if words, found := cutRecord(text, indented); found || text[0] == '$' {
		return p.parseRecord(words)
	}
	if words := strings.Fields(text); isHosts(words) {
		before, _, _ := strings.Cut(text, "#")
		return parseHosts(strings.Fields(cutComment(before)))
	}
	return parsePlain(cutComment(text))
}

// isComment reports whether a line is one, or the title of an adblock list.
func isComment(text string) bool {
	for _, mark := range []string{"#", ";", "//", "[Adblock", "[AdGuard", "[uBlock"} {
		if strings.HasPrefix(text, mark) {
			return true
		}
	}
	return false
}

// directive refuses what looks like an adblock comment and is none.
func directive(text string) error {
	if len(text) > 2 && text[1] == '#' && isNameByte(rune(text[2])) {
		word, _, _ := strings.Cut(text, " ")
		return fmt.Errorf("%s is not supported: use -list for other lists", word)
	}
	return nil
}

// cutComment removes a comment from the end of a line.
func cutComment(text string) string {
	for i := 1; i < len(text); i++ {
		if c := text[i-1]; c != ' ' && c != '\t' {
			continue
		}
		switch rest := text[i:]; {
		case rest[0] == '#', rest[0] == ';', rest[0] == '!', strings.HasPrefix(rest, "//"):
			return strings.TrimSpace(text[:i])
		}
	}
	return text
}

// cutKey splits a line of a configuration at a sign that follows a word. After a
// colon there is a space, or nothing: otherwise it belongs to a port or a URL.
func cutKey(text string, sign byte) (key, value string, found bool) {
	key, value, found = strings.Cut(text, string(sign))
	key = strings.TrimSpace(key)
	if !found || key == "" || strings.Trim(key, "abcdefghijklmnopqrstuvwxyz-") != "" {
		return "", "", false
	}
	if sign == ':' && strings.IndexFunc(value, isNoSpace) == 0 && value[0] != '"' {
		return "", "", false
	}
	return key, strings.TrimSpace(value), true
}

func isNoSpace(r rune) bool { return r != ' ' && r != '\t' }

// isHosts reports whether a line begins as in a hosts file.
func isHosts(words []string) bool { return parseAddr(words[0]) }

// parsePlain reads names with commas or spaces between them.
func parsePlain(text string) ([]entry, error) {
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || strings.ContainsRune(" \t\v\f\u0085\u00a0", r) })
	if len(words) == 0 {
		return nil, fmt.Errorf("%q contains no name", text)
	}
	var entries []entry
	for _, word := range words {
		word, rest, commented := strings.Cut(word, "#")
		if commented && (word == "" || strings.IndexAny(rest, "#@?$%") == 0) {
			return nil, fmt.Errorf("%q is for elements of a page", text)
		}
		e, err := parseWord(word)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
		if commented {
			break
		}
	}
	return entries, nil
}
