package names

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

func read(t *testing.T, text string) *Set {
	t.Helper()
	s := new(Set)
	if err := s.Read(strings.NewReader(text)); err != nil {
		t.Fatalf("%v, in:\n%s", err, text)
	}
	return s
}

// wantHas checks which names of the list the set contains: all except those
// with a minus sign.
func wantHas(t *testing.T, s *Set, list string) {
	t.Helper()
	for name := range strings.FieldsSeq(list) {
		name, not := strings.CutPrefix(name, "-")
		if s.Has(name) == not {
			t.Errorf("Has(%q) = %t", name, not)
		}
	}
}

// TestFormats checks that every format blocks the names that it contains, and
// no others.
func TestFormats(t *testing.T) {
	for _, test := range []struct {
		name, list string
		len        int
		has        string
	}{
		{"plain", "www.Example.com", 1, "www.example.com WWW.EXAMPLE.COM. -example.com -a.www.example.com -xwww.example.com"},
		{"dot in front", ".ads.example.net.", 1, "ads.example.net a.b.ADS.example.net. -badads.example.net -example.net"},
		{"star in front", "*.ads.example", 1, "a.ads.example ads.example a.b.ads.example -xads.example"},
		{"top-level", ".zip\nmov.\n*.biz", 3, "a.zip zip mov -a.mov x.biz"},
		{"several", "a.example b.example,c.example , d.example,\te.example,", 5, "a.example b.example c.example d.example e.example"},
		{"underscore and hyphen", "_dmarc.x_y.example\nr3---sn.example\n-a-.example", 3, "_dmarc.x_y.example r3---sn.example"},
		{"URL", "https://a.example\nHTTP://b.example:8080/\nhttps://User.example/", 3, "a.example b.example user.example"},
		{"port", "a.example:443\n.b.example:53", 2, "a.example x.b.example"},
		{"hosts", "127.0.0.1 localhost\n::1\tip6-localhost ip6-loopback\nfe80::1%lo0 localhost\n255.255.255.255 broadcasthost\n" +
			"0.0.0.0 0.0.0.0\n0.0.0.0 a.example b.example#comment\n:: c.example # c\n::1 d.example\n",
			4, "a.example b.example c.example d.example -x.a.example -localhost -0.0.0.0"},
		{"adblock", "[Adblock Plus 2.0]\n! Title: x\n||a.example^\n||b.example^|\n|c.example^\n||d.example^$important\n||e.example^$all\n||zip^",
			6, "a.example x.a.example y.b.example c.example -x.c.example x.d.example e.example x.zip"},
		{"adblock exceptions", "||a.example^\n@@||good.a.example^\n||b.good.a.example^\n||c.good.a.example^$important\n@@|one.a.example^",
			2, "a.example x.a.example -good.a.example -x.good.a.example -b.good.a.example c.good.a.example x.c.good.a.example -one.a.example x.one.a.example"},
		{"adblock exceptions to exceptions", "||a.example^$important\n@@||b.a.example^$important", 1, "a.example c.a.example -b.a.example -x.b.a.example"},
		{"dnsmasq", "address=/a.example/\naddress=/b.example/c.example/0.0.0.0\naddress=/d.example/#\naddress = /e.example/::\nserver=/f.example/\nlocal=/g.example/ # c\naddress=/.h.example/127.0.0.1\naddress=/*.i.example/",
			9, "a.example x.a.example b.example x.c.example d.example e.example x.f.example g.example x.h.example x.i.example"},
		{"dnsmasq exceptions", "address=/a.example/\nserver=/b.a.example/#\naddress=/c.b.a.example/", 2, "a.example -b.a.example -x.b.a.example c.b.a.example x.c.b.a.example"},
		{"unbound", "server:\n  local-zone: \"a.example\" always_nxdomain\n  local-zone: b.example. refuse # c\n\tlocal-zone: 'c.example' redirect\n" +
			"\tlocal-data: \"c.example A 0.0.0.0\"\n\tlocal-data: 'd.example. 3600 IN AAAA ::'\n local-zone:\"e.example\" static",
			5, "a.example x.a.example x.b.example x.c.example d.example -x.d.example e.example"},
		{"unbound exceptions", "local-zone: \"a.example\" deny\nlocal-zone: \"b.a.example\" transparent\nlocal-zone: \"c.b.a.example\" deny", 2, "x.a.example -b.a.example -x.b.a.example c.b.a.example"},
		{"unbound data", "local-zone: \"a.example\" typetransparent\nlocal-data: \"a.example A 0.0.0.0\"\nlocal-zone: \"b.example\" refuse\nlocal-zone: \"c.b.example\" transparent\nlocal-data: \"d.c.b.example AAAA ::\"",
			3, "a.example -x.a.example b.example -c.b.example -x.c.b.example d.c.b.example"},
		{"zone", "$TTL 2h ; comment\n$ORIGIN rpz.example.\n@ IN SOA localhost. root.localhost. ( ; comment )\n 1 2 3\n\t4 5 ) ; end\n  NS localhost.\n" +
			"a.example CNAME . ; comment\n*.a.example 300 IN CNAME .\nB.example.rpz.example. IN 1h CNAME *.\nc.example A 0.0.0.0\n          AAAA ::\n*.d.example cname rpz-drop.\n",
			4, "a.example x.a.example b.example -x.b.example c.example x.d.example -d.example -rpz.example -comment"},
		{"zone without origin", "rpz.local. 60 IN SOA a. b. 1 2 3 4 5\nrpz.local. NS a.\na.example.rpz.local. CNAME .\nb.example. CNAME .\nzip CNAME .",
			3, "a.example b.example zip -a.example.rpz.local"},
		{"zone exceptions", "*.a.example CNAME .\nb.a.example CNAME rpz-passthru.\n*.c.a.example CNAME rpz-passthru.\nd.c.a.example CNAME .\ne.a.example CNAME e.a.example.",
			2, "-e.a.example x.a.example -b.a.example x.b.a.example c.a.example -x.c.a.example d.c.a.example"},
		{"indented zone", "  a.example CNAME .\n  b.example 60 CNAME .", 2, "a.example b.example"},
		{"comments", "# a.example\n; b.example\n! c.example\n// d.example\n  # e.example\ng.example # h.example\ni.example ; j.example\nk.example // l.example\nm.example\t! n.example\no.example#p.example",
			5, "g.example i.example k.example m.example o.example -a.example -b.example -h.example -l.example -p.example"},
		{"byte order mark", "\ufeffa.example\n\ufeff# comment\n\ufeff||b.example^", 2, "a.example b.example"},
		{"ends of lines", "# c\r\na.example\r\n\r\nb.example\rc.example # c\rd.example\n\n", 4, "a.example b.example c.example d.example"},
		{"odd spaces", "\u00a0a.example\u00a0b.example\u2003\n\v.c.example\f", 3, "a.example b.example x.c.example"},
		{"international", "bücher.example\n||BÜCHER2.example^\n.straße。example.\nxn--TDA.example", 4,
			"xn--bcher-kva.example x.xn--bcher2-3ya.example x.xn--strae-oqa.example xn--tda.example"},
		{"international and decomposed", "e\u0301.example\n中国", 2, "xn--9ca.example xn--fiqs8s"},
		{"twice", ".both.example\nboth.example\n||both.example^", 1, "both.example x.both.example"},
		{"taken back", "a.example\n@@||a.example^", 0, "-a.example"},
		{"empty", "\n  \n", 0, "-. -a.example"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := read(t, test.list)
			if got := s.Len(); got != test.len {
				t.Errorf("Len = %d, want %d", got, test.len)
			}
			wantHas(t, s, test.has)
		})
	}
}

// TestRefused checks that Read refuses lines that would block nothing, or other
// names than the list means.
func TestRefused(t *testing.T) {
	long := strings.Repeat("a", 63)
	for _, test := range []struct{ list, want string }{
		{"a.example\nb..c\n", `line 2: "b..c" is not a name: each part must have 1 to 63 bytes`},
		{".", "must have 1 to 63 bytes"},
		{"..a.example", "must have 1 to 63 bytes"},
		{"a.example..", "must have 1 to 63 bytes"},
		{"\r\n\r\n" + long + "a.example", `line 3: "` + long + `a.example" is not a name`},
		{"\r" + strings.Repeat(long+".", 4), "line 2: "},
		{strings.Repeat(long+".", 4), "longer than 253 bytes"},
		{"zip", `"zip" has no dot: write "zip." for that name, ".zip" for all below it`},
		{"drop a.example", `"drop" has no dot`},
		{"1,a.example", `"1" is not a name: it ends with a number`},
		{"DOMAIN-SUFFIX,a.example,REJECT", "has no dot"},
		{"192.0.2.1", `no name follows the address "192.0.2.1"`},
		{"2001:db8::1", `no name follows the address "2001:db8::1"`},
		{"192.0.2.0/24", `it contains '/'`},
		{"a.example/path", `it contains '/'`},
		{"https://a.example/path", "is only a part of a site"},
		{"https://a.example/?q", "is only a part of a site"},
		{"https://user@a.example/", "is only a part of a site"},
		{"https:///", "is not a URL"},
		{"https://192.0.2.1/", "is an address"},
		{"https://[2001:db8::1]/", "it contains '['"},
		{"a.example:0", "it contains ':'"},
		{"a.example:x", "it contains ':'"},
		{"domain:a.example", "it contains ':'"},
		{"+.a.example", "it contains '+'"},
		{"a.*.example", "it contains '*'"},
		{"*a.example", "it contains '*'"},
		{"*", "it contains '*'"},
		{`"a.example"`, `it contains '"'`},
		{"a.example;b.example", "it contains ';'"},
		{"caf\xe9.example", "is not UTF-8"},
		{"\xff\xfea\x00", "UTF-16"},
		{"\u00fc\u202e.example", "not a valid internationalized name"},
		{"192.168.0.1 nas.example", "nas.example has the address 192.168.0.1: lines that block start with 0.0.0.0"},
		{"0.0.0.0", "no name follows"},
		{"127.0.0.1 myhost", "has no dot"},
		{"example.com##.ad", "is for elements of a page"},
		{"example.com#@#.ad", "is for elements of a page"},
		{"example.com#?#.ad", "is for elements of a page"},
		{"||a.example^$third-party", "line 1: the option $third-party depends on more than the name"},
		{"||a.example^$important,domain=b.example", "the option $domain=b.example"},
		{"||a.example^$dnsrewrite=1.2.3.4", "the option $dnsrewrite"},
		{"||a.example", "want a rule such as ||ads.example^"},
		{"||a.example/path^", "it contains '/'"},
		{"||a.example^path", "want a rule such as"},
		{"||*.example^", "it contains '*'"},
		{"||192.0.2.1^", "is an address"},
		{"@@a.example", "want a rule such as"},
		{"|https://a.example^", "it contains ':'"},
		{"/ads[0-9]+/", "want a rule such as"},
		{"!#include other.txt", "!#include is not supported"},
		{"address=/a.example/192.0.2.1", "blocks nothing"},
		{"address=/#/", "it contains '#'"},
		{"address=///", "must have 1 to 63 bytes"},
		{"address=a.example", "blocks no name"},
		{"server=/a.example/192.0.2.1", "blocks nothing: it selects another server"},
		{"server=192.0.2.1", "blocks no name"},
		{"cname=a.example,b.example", "blocks no name"},
		{"conf-file=/etc/other", "blocks no name"},
		{"local-zone: \"a.example\"", "want a name and a type"},
		{"local-zone: \"a.example\" inform", "the type inform does not block"},
		{"local-data: \"a.example A 192.0.2.1\"", "has data of its own"},
		{"local-data-ptr: \"192.0.2.1 a.example\"", "blocks no name"},
		{"forward-zone:", "blocks no name"},
		{"a.example CNAME garden.example.", `"a.example" leads to garden.example.`},
		{"a.example CNAME rpz-tcp-only.", "leads to rpz-tcp-only."},
		{"a.example A 192.0.2.1", "has data of its own"},
		{"a.example MX 10 b.example.", "has data of its own"},
		{"32.1.2.0.192.rpz-ip CNAME .", "rpz-ip is not supported"},
		{"ns.a.example.rpz-nsdname CNAME .", "rpz-nsdname is not supported"},
		{"* CNAME .", "it contains '*'"},
		{"@ CNAME .", "CNAME for the zone itself"},
		{"@ SOA a. b. 1 2 3 4 5\n@ A 0.0.0.0", "line 2: A for the zone itself"},
		{"local-data: \"@ A 0.0.0.0\"", "blocks no name"},
		{"local-data: \"\"", "blocks no name"},
		{" CNAME .", "a record without an owner"},
		{"$INCLUDE other", "$INCLUDE is not supported"},
		{"@ SOA a. b. (\n1 2", "the list ends inside parentheses"},
		{"\\097.example CNAME .", "it contains '\\\\'"},
		{`zone "a.example" { type master; };`, `"zone" has no dot`},
		{"<html>", "it contains '<'"},
		{"domain-needed", "has no dot"},
	} {
		s := new(Set)
		err := s.Read(strings.NewReader(test.list))
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("Read(%q) = %v, want %s", test.list, err, test.want)
		}
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("Read(%q) = %T, want a SyntaxError", test.list, err)
		}
	}
}

// TestSyntaxErrorIsShort checks that an error does not contain the whole of a file that is
// no list, but says what is wrong.
func TestSyntaxErrorIsShort(t *testing.T) {
	for list, want := range map[string]string{
		strings.Repeat("\x7f\x80\x00", 1<<16):    "is not UTF-8",
		strings.Repeat("<p>", 1<<16):             "is longer than 253 bytes",
		"||" + strings.Repeat("ü/", 1<<16):       "want a rule such as ||ads.example^",
		"@@||" + strings.Repeat("x", 5000) + "^": "is longer than 253 bytes",
	} {
		err := new(Set).Read(strings.NewReader(list))
		if err == nil || !strings.HasPrefix(err.Error(), "line 1: ") || !strings.Contains(err.Error(), want) || len(err.Error()) > 500 {
			t.Errorf("Read = %v, want %s in less than 500 bytes", err, want)
		}
	}
}

// TestReadGoesOn checks that lines after an invalid one count.
func TestReadGoesOn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(file, []byte("a.example\nnonsense\n/x/\nb.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := new(Set)
	err := s.ReadFile(file)
	if want := file + `:2: "nonsense" has no dot: write "nonsense." for that name, ".nonsense" for all below it (and 1 more line)`; err == nil || err.Error() != want {
		t.Errorf("ReadFile = %v, want %s", err, want)
	}
	wantHas(t, s, "a.example b.example")
}

func TestReadFails(t *testing.T) {
	if err := new(Set).ReadFile(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ReadFile = %v, want %v", err, fs.ErrNotExist)
	}
	dir := t.TempDir()
	if err := new(Set).ReadFile(dir); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("ReadFile of a directory = %v, want its name", err)
	}
	broken := errors.New("broken")
	if err := new(Set).Read(iotest.ErrReader(broken)); err != broken {
		t.Errorf("Read = %v, want %v", err, broken)
	}
}

// TestReadByteByByte reads a list in pieces of one byte.
func TestReadByteByByte(t *testing.T) {
	s := new(Set)
	if err := s.Read(iotest.OneByteReader(strings.NewReader("a.example\r\n||b.example^\rc.example"))); err != nil {
		t.Fatal(err)
	}
	if got := s.Len(); got != 3 {
		t.Errorf("Len = %d, want 3", got)
	}
	if err := new(Set).Read(iotest.OneByteReader(strings.NewReader("a.example\r\nb"))); err == nil || !strings.HasPrefix(err.Error(), "line 2: ") {
		t.Errorf("Read = %v, want an error in line 2", err)
	}
}

func TestReadLongLine(t *testing.T) {
	s := read(t, strings.Repeat("a.example,", 1<<17))
	wantHas(t, s, "a.example")
	err := new(Set).Read(strings.NewReader("a.example\n" + strings.Repeat("b.example,", maxLine/10+1)))
	if err == nil || !strings.HasPrefix(err.Error(), "line 2: ") {
		t.Errorf("Read = %v, want an error in line 2", err)
	}
}

func TestAllow(t *testing.T) {
	s := read(t, ".example\n||x.test^$important")
	for _, name := range []string{"good.example", ".fine.example", "x.test"} {
		if err := s.Allow(name); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(file, []byte("0.0.0.0 h.example\n@@||e.example^\n||a.example^\nr.example CNAME rpz-passthru.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.AllowFile(file); err != nil {
		t.Fatal(err)
	}
	wantHas(t, s, "bad.example -good.example x.good.example -x.fine.example -x.test y.x.test -h.example -x.e.example -x.a.example -r.example")
	if got, want := s.String(), "2 names block, 7 exceptions"; got != want {
		t.Errorf("String = %q, want %q", got, want)
	}
	if err := s.Allow("a b"); err == nil {
		t.Error("Allow takes what is not a name")
	}
}

func TestString(t *testing.T) {
	s := new(Set)
	if got := s.String(); got != "0 names block" {
		t.Errorf("String = %q, want 0 names block", got)
	}
	if err := s.Add("a.example"); err != nil {
		t.Fatal(err)
	}
	if got := s.String(); got != "1 name blocks" {
		t.Errorf("String = %q, want 1 name blocks", got)
	}
}

func TestZeroSetIsEmpty(t *testing.T) {
	if s := new(Set); s.Has("example.com") || s.Len() != 0 || s.HasWire([]byte("\x03com\x00")) {
		t.Error("the zero Set has a name")
	}
}

// TestHasWire checks that HasWire compares labels, not the text of names.
func TestHasWire(t *testing.T) {
	s := read(t, "a.b.example\n.c.example")
	for _, test := range []struct {
		wire string
		want bool
	}{
		{"\x01a\x01b\x07example\x00", true},
		{"\x01A\x01b\x07EXAMPLE\x00", true},
		{"\x01x\x01c\x07example\x00", true},
		{"\x03x.y\x01C\x07example\x00", true},
		{"\x03a.b\x07example\x00", false},
		{"\x03x.c\x07example\x00", false},
		{"\x01x\x09c.example\x00", false},
		{"\x0ba.b.example\x00", false},
		{"\x00", false},
		{"", false},
		{"\x01a\x01b\x07example", false},
		{"\x3fa", false},
		{strings.Repeat("\x01a", 200), false},
	} {
		if got := s.HasWire([]byte(test.wire)); got != test.want {
			t.Errorf("HasWire(%q) = %t, want %t", test.wire, got, test.want)
		}
	}
}

func TestExceptsWire(t *testing.T) {
	s := read(t, "||example^\n@@||a.example^\nserver=/b.example/#\n||c.a.example^$important")
	for wire, want := range map[string]bool{
		"\x07example\x00":           false,
		"\x01a\x07example\x00":      true,
		"\x01x\x01A\x07example\x00": true,
		"\x01b\x07example\x00":      true,
		"\x01c\x01a\x07example\x00": false,
		"\x01a\x04test\x00":         false,
		"":                          false,
	} {
		if got := s.ExceptsWire([]byte(wire)); got != want {
			t.Errorf("ExceptsWire(%q) = %t, want %t", wire, got, want)
		}
	}
}

func TestHasDoesNotAllocate(t *testing.T) {
	s := read(t, ".c.example")
	if n := testing.AllocsPerRun(100, func() { s.Has("WWW.a.b.c.example"); s.HasWire([]byte("\x01x\x01c\x07example\x00")) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// FuzzRead checks that each entry of an accepted list blocks or permits a name.
func FuzzRead(f *testing.F) {
	f.Add("||a.example^$important\n@@||b.example^")
	f.Add("@ SOA a. b. (\n1 )\n*.a.example CNAME .\n CNAME .")
	f.Add("0.0.0.0 a.example\rlocal-zone: \"b\" deny\naddress=/c/#\nhttps://ü.example:1/")
	f.Fuzz(func(t *testing.T, list string) {
		s := new(Set)
		err := s.Read(strings.NewReader(list))
		for wire := range s.rules {
			if _, ok := appendWire(nil, text(wire)); !ok {
				t.Errorf("the set has %q", wire)
			}
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("the error has several lines: %v", err)
		}
	})
}

// text returns a name in the form of lists.
func text(wire string) string {
	var labels []string
	for wire[0] != 0 {
		n := 1 + int(wire[0])
		labels = append(labels, wire[1:n])
		wire = wire[n:]
	}
	return strings.Join(labels, ".")
}
