package names

import (
	"bufio"
	"errors"
	"strings"
	"testing"
)

func read(t *testing.T, text string) *Set {
	t.Helper()
	s := new(Set)
	if err := s.Read(strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestHas(t *testing.T) {
	s := read(t, `
# comment
www.Example.com   # alone
.ads.example.net.
0.0.0.0 tracker.example.org  other.example.org
::1 six.example.org
.both.example
both.example
`)
	if got, want := s.Len(), 6; got != want {
		t.Errorf("%d entries, want %d", got, want)
	}
	for _, test := range []struct {
		name string
		want bool
	}{
		{"www.example.com", true},
		{"WWW.EXAMPLE.COM.", true},
		{"example.com", false},
		{"a.www.example.com", false},
		{"ads.example.net", true},
		{"a.b.ADS.example.net.", true},
		{"badads.example.net", false},
		{"example.net", false},
		{"tracker.example.org", true},
		{"other.example.org", true},
		{"six.example.org", true},
		{"0.0.0.0", false},
		{"a.both.example", true},
		{"both.example", true},
		{"", false},
		{".", false},
		{"..", false},
	} {
		if got := s.Has(test.name); got != test.want {
			t.Errorf("Has(%q) = %t, want %t", test.name, got, test.want)
		}
	}
}

func TestZeroSetIsEmpty(t *testing.T) {
	if s := new(Set); s.Has("example.com") || s.Len() != 0 {
		t.Error("the zero Set has a name")
	}
}

func TestReadNamesTheLine(t *testing.T) {
	long := strings.Repeat("a", 63)
	for _, test := range []struct{ text, want string }{
		{"a\nb..c\n", `line 2: name "b..c": needs 1 to 63 bytes between its dots`},
		{".\n", `line 1: name ".": needs 1 to 63 bytes between its dots`},
		{"\n\n" + long + "a", `line 3: name "` + long + `a": needs 1 to 63 bytes between its dots`},
		{strings.Repeat(long+".", 4), "is longer than 253 bytes"},
		{"caf\u00e9.example", "write xn--... for it"},
	} {
		err := new(Set).Read(strings.NewReader(test.text))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("Read(%q) = %v, want %s", test.text, err, test.want)
		}
	}
}

func TestReadTooLongLine(t *testing.T) {
	err := new(Set).Read(strings.NewReader("a\n" + strings.Repeat("b ", bufio.MaxScanTokenSize)))
	if !errors.Is(err, bufio.ErrTooLong) || !strings.HasPrefix(err.Error(), "line 2: ") {
		t.Errorf("Read = %v, want %v in line 2", err, bufio.ErrTooLong)
	}
}
