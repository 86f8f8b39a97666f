package main

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/ipqueue/ipqueue/examples/dnssink/names"
)

// newSink returns a sink that blocks blocked.example and all names below
// ads.example.
func newSink(t testing.TB, a answer) *sink {
	t.Helper()
	s := &sink{names: new(names.Set), answer: a}
	if err := s.names.Read(strings.NewReader("blocked.example .ads.example")); err != nil {
		t.Fatal(err)
	}
	return s
}

func ask(name string, kind dnsmessage.Type) dnsmessage.Question {
	return dnsmessage.Question{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}
}

// header returns the header of a record with the name.
func header(name string) dnsmessage.ResourceHeader {
	return dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET, TTL: 300}
}

// address returns the address record that every name has here.
func address(name string) dnsmessage.Resource {
	return dnsmessage.Resource{Header: header(name), Body: &dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}}}
}

func alias(name, to string) dnsmessage.Resource {
	return dnsmessage.Resource{Header: header(name), Body: &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(to)}}
}

// cookie contains the cookies of a client and a server.
var cookie = []byte("clientCKserver-cookie-16")

// opt returns an OPT record with a cookie and an extended response code.
func opt() dnsmessage.Resource {
	h := dnsmessage.ResourceHeader{}
	if err := h.SetEDNS0(1232, dnsmessage.RCode(16), true); err != nil {
		panic(err)
	}
	return dnsmessage.Resource{Header: h, Body: &dnsmessage.OPTResource{
		Options: []dnsmessage.Option{{Code: 3, Data: []byte("nsid")}, {Code: 10, Data: cookie}},
	}}
}

// pack encodes a message with compressed names.
func pack(t testing.TB, m dnsmessage.Message) []byte {
	t.Helper()
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// response returns a response to the question.
func response(q dnsmessage.Question, answers ...dnsmessage.Resource) dnsmessage.Message {
	return dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: 7, Response: true, RecursionDesired: true, RecursionAvailable: true, AuthenticData: true,
		},
		Questions: []dnsmessage.Question{q},
		Answers:   answers,
	}
}

func query(q dnsmessage.Question) dnsmessage.Message {
	return dnsmessage.Message{Header: dnsmessage.Header{ID: 7, RecursionDesired: true}, Questions: []dnsmessage.Question{q}}
}

func TestJudge(t *testing.T) {
	a := func(name string) dnsmessage.Question { return ask(name, dnsmessage.TypeA) }
	other := a("www.example.")
	update := response(a("blocked.example."))
	update.OpCode = 5
	updating := query(a("blocked.example."))
	updating.OpCode = 5
	two := response(other)
	two.Questions = append(two.Questions, a("blocked.example."))
	for _, test := range []struct {
		name    string
		message dnsmessage.Message
		answer  answer
		want    verdict // without reply
		replies bool
	}{
		{"exact", response(a("blocked.example."), address("blocked.example.")), noName, verdict{name: "blocked.example."}, true},
		{"case", response(a("bLoCkEd.Example.")), noName, verdict{name: "bLoCkEd.Example."}, true},
		{"zero", response(a("blocked.example.")), zero, verdict{name: "blocked.example."}, true},
		{"suffix", response(ask("a.b.ads.example.", dnsmessage.TypeMX)), noName, verdict{name: "a.b.ads.example.", kind: "MX"}, true},
		{"suffix itself", response(a("ads.example.")), noName, verdict{name: "ads.example."}, true},
		{"below exact", response(a("a.blocked.example."), address("a.blocked.example.")), noName, verdict{}, false},
		{"other", response(other, address("www.example.")), noName, verdict{}, false},
		{"root", response(a(".")), noName, verdict{}, false},
		{"alias", response(other, address("www.example."), alias("www.example.", "x.example."), alias("x.example.", "y.ads.example."), address("y.ads.example.")),
			noName, verdict{name: "www.example.", via: "y.ads.example."}, true},
		{"other alias", response(other, alias("www.example.", "x.example."), address("x.example.")), noName, verdict{}, false},
		{"answer about another name", response(other, address("blocked.example.")), noName, verdict{name: "www.example.", via: "blocked.example."}, true},
		{"query", query(a("blocked.example.")), noName, verdict{}, false},
		{"query to drop", query(a("blocked.example.")), drop, verdict{name: "blocked.example."}, false},
		{"other query", query(other), drop, verdict{}, false},
		{"response to drop", response(a("blocked.example.")), drop, verdict{name: "blocked.example."}, false},
		{"another opcode", update, noName, verdict{name: "blocked.example."}, true},
		{"query with another opcode", updating, drop, verdict{}, false},
		{"two questions", two, noName, verdict{name: "www.example.", via: "blocked.example."}, true},
		{"no question", dnsmessage.Message{Header: dnsmessage.Header{Response: true}}, noName, verdict{}, false},
		{"no question but an answer", dnsmessage.Message{Header: dnsmessage.Header{Response: true}, Answers: []dnsmessage.Resource{address("blocked.example.")}},
			noName, verdict{via: "blocked.example.", kind: ""}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := newSink(t, test.answer).judge(pack(t, test.message))
			if want := test.want; want.name+want.via != "" {
				want.finding = listed
				if want.kind == "" && want.name != "" {
					want.kind = "A"
				}
				test.want = want
			}
			if (got.reply != nil) != test.replies {
				t.Errorf("%d bytes of reply, want one: %t", len(got.reply), test.replies)
			}
			got.reply = nil
			wantVerdict(t, got, test.want)
		})
	}
}

func wantVerdict(t *testing.T, got, want verdict) {
	t.Helper()
	if got.finding != want.finding || got.name != want.name || got.kind != want.kind || got.via != want.via {
		t.Errorf("verdict %d %q %q via %q (%v), want %d %q %q via %q",
			got.finding, got.name, got.kind, got.via, got.err, want.finding, want.name, want.kind, want.via)
	}
}

// A builder writes messages that no packer would write.
type builder struct{ b []byte }

// newBuilder begins a response about www.example with the given numbers of
// answers and additional records.
func newBuilder(answers, additionals int) *builder {
	b := []byte{0, 7, 0x81, 0x80, 0, 1, 0, byte(answers), 0, 0, 0, byte(additionals)}
	b = append(b, "\x03www\x07example\x00\x00\x01\x00\x01"...)
	return &builder{b}
}

// record appends a record. If owner is "", its owner is the name in the
// question.
func (b *builder) record(owner string, kind uint16, data string) *builder {
	if owner == "" {
		owner = "\xc0\x0c"
	}
	b.b = append(b.b, owner...)
	b.b = binary.BigEndian.AppendUint16(b.b, kind)
	b.b = append(b.b, "\x00\x01\x00\x00\x00\x3c"...)
	b.b = binary.BigEndian.AppendUint16(b.b, uint16(len(data)))
	b.b = append(b.b, data...)
	return b
}

const (
	bad  = "\x01x\x03ADS\x07example\x00"
	good = "\x01x\x04fine\x07example\x00"
)

// TestJudgeTargets checks that every kind of record that leads to a listed name
// is found, whatever else is in the message.
func TestJudgeTargets(t *testing.T) {
	for _, test := range []struct {
		name   string
		kind   uint16
		before string // the bytes before the target in the data
		after  string
	}{
		{"CNAME", 5, "", ""},
		{"DNAME", 39, "", ""},
		{"NS", 2, "", ""},
		{"PTR", 12, "", ""},
		{"MX", 15, "\x00\x0a", ""},
		{"AFSDB", 18, "\x00\x01", ""},
		{"KX", 36, "\x00\x01", ""},
		{"SRV", 33, "\x00\x01\x00\x02\x01\xbb", ""},
		{"NAPTR", 35, "\x00\x01\x00\x02\x01s\x07SIP+D2U\x00", ""},
		{"SVCB alias", 64, "\x00\x00", ""},
		{"HTTPS alias", 65, "\x00\x00", ""},
		{"HTTPS service", 65, "\x00\x01", "\x00\x01\x00\x03\x02h2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSink(t, noName)
			unknown := func() *builder {
				return newBuilder(3, 0).record("", 65280, "whatever").record("\x03a.b\x01\x00\x00", 16, "\x01x")
			}
			v := s.judge(unknown().record("", test.kind, test.before+bad+test.after).b)
			wantVerdict(t, v, verdict{finding: listed, name: "www.example.", kind: "A", via: "x.ADS.example."})
			v = s.judge(unknown().record("", test.kind, test.before+good+test.after).b)
			wantVerdict(t, v, verdict{})
			v = s.judge(unknown().record("", test.kind, test.before+"\x01x").b)
			wantVerdict(t, v, verdict{finding: unreadable, name: "www.example.", kind: "A"})
			v = s.judge(unknown().record("", test.kind, "").b)
			wantVerdict(t, v, verdict{finding: unreadable, name: "www.example.", kind: "A"})
		})
	}
}

// TestJudgeAdditional checks the additional section: it can continue a chain of
// aliases, but the addresses of name servers in it are no reason to block.
func TestJudgeAdditional(t *testing.T) {
	s := newSink(t, noName)
	v := s.judge(newBuilder(1, 2).record("", 65, "\x00\x00"+good).record(good, 65, "\x00\x00"+bad).record(bad, 1, "abcd").b)
	wantVerdict(t, v, verdict{finding: listed, name: "www.example.", kind: "A", via: "x.ADS.example."})
	v = s.judge(newBuilder(1, 1).record("", 1, "abcd").record(bad, 1, "abcd").b)
	wantVerdict(t, v, verdict{})
}

func TestJudgeAuthority(t *testing.T) {
	b := newBuilder(0, 0).record("\x07example\x00", 2, bad).b
	b[9] = 1
	wantVerdict(t, newSink(t, noName).judge(b), verdict{})
}

// TestJudgeDNAME checks that DNAME records are applied to the question, and to
// its aliases, even if the corresponding CNAME record is missing.
func TestJudgeDNAME(t *testing.T) {
	s := newSink(t, noName)
	if err := s.names.Add("www.foo.test"); err != nil {
		t.Fatal(err)
	}
	const to = "\x03FOO\x04test\x00"
	want := verdict{finding: listed, name: "www.example.", kind: "A", via: "www.FOO.test."}
	wantVerdict(t, s.judge(newBuilder(1, 0).record("\x07EXAMPLE\x00", 39, to).b), want)
	wantVerdict(t, s.judge(newBuilder(2, 0).record("\x03bar\x00", 39, to).record("", 5, "\x03www\x03bar\x00").b), want)
	for _, owner := range []string{"\x03www\x07example\x00", "\x06xample\x00", "\x02ww\x07example\x00", "\x01x\x03www\x07example\x00"} {
		wantVerdict(t, s.judge(newBuilder(1, 0).record(owner, 39, to).b), verdict{})
	}
	loop := newBuilder(2, 0).record("\x00", 39, "\x07example\x00").record("", 5, "\xc0\x0c")
	wantVerdict(t, s.judge(loop.b), verdict{})
}

// TestJudgeOddLabels checks that a dot inside a label does not split it, and
// that no byte in a label hides another name.
func TestJudgeOddLabels(t *testing.T) {
	s := newSink(t, noName)
	for _, test := range []struct {
		target string
		via    string
	}{
		{"\x03x.y\x03ads\x07example\x00", `x\.y.ads.example.`},
		{"\x02\x00\xff\x03ads\x07example\x00", `\000\255.ads.example.`},
		{"\x05x.ads\x07example\x00", ""},
		{"\x0bads.example\x00", ""},
		{"\x0cads.example\x00\x00", ""},
		{"\x04ads\x00\x07example\x00", ""},
	} {
		v := s.judge(newBuilder(1, 0).record("", 5, test.target).b)
		want := verdict{}
		if test.via != "" {
			want = verdict{finding: listed, name: "www.example.", kind: "A", via: test.via}
		}
		wantVerdict(t, v, want)
	}
}

// chain returns a response whose alias is a name with the given number of
// compression pointers, and label before each of them.
func chain(t *testing.T, pointers int, label string) []byte {
	t.Helper()
	m := newBuilder(2, 0)
	at := len(m.b) + 2 + 10 // where the data of the next record begins
	data := "\x03ads\x07example\x00"
	last := at
	for range pointers {
		next := at + len(data)
		data += label + string([]byte{0xc0 | byte(last>>8), byte(last)})
		last = next
	}
	m.record("", 16, data)
	return m.record("", 5, string([]byte{0xc0 | byte(last>>8), byte(last)})).b
}

func TestJudgePointers(t *testing.T) {
	s := newSink(t, noName)
	for _, n := range []int{0, 1, 9, 10, 11, 100, 120} {
		wantVerdict(t, s.judge(chain(t, n, "\x01x")), verdict{
			finding: listed, name: "www.example.", kind: "A", via: strings.Repeat("x.", n) + "ads.example.",
		})
	}
	wantVerdict(t, s.judge(chain(t, 1000, "")), verdict{finding: listed, name: "www.example.", kind: "A", via: "ads.example."})
	wantVerdict(t, s.judge(chain(t, 128, "\x01x")), verdict{finding: unreadable, name: "www.example.", kind: "A"}) // too long for a name
}

// TestJudgeForwardPointer uses a pointer that points forward, which some
// receivers follow.
func TestJudgeForwardPointer(t *testing.T) {
	m := newBuilder(2, 0)
	at := len(m.b) + 2 + 10 + 2 + 2 + 10 // the data of the second record
	m.record("", 5, string([]byte{0xc0, byte(at)})).record("", 16, bad)
	wantVerdict(t, newSink(t, noName).judge(m.b), verdict{finding: listed, name: "www.example.", kind: "A", via: "x.ADS.example."})
}

func TestJudgeUnreadable(t *testing.T) {
	s := newSink(t, noName)
	whole := newBuilder(1, 0).record("", 5, good).b
	here := string([]byte{0xc0, byte(len(newBuilder(1, 0).b) + 12)})
	for _, test := range []struct {
		name    string
		message []byte
	}{
		{"pointer to itself", newBuilder(1, 0).record("", 5, here).b},
		{"pointers in a ring", newBuilder(1, 0).record("", 5, "\x01x"+here).b},
		{"pointer beyond the end", newBuilder(1, 0).record("", 5, "\xff\xff").b},
		{"half a pointer", append(newBuilder(1, 0).b, 0xc0)},
		{"label of an unknown kind", newBuilder(1, 0).record("", 5, "\x41\x00").b},
		{"name longer than its data", newBuilder(1, 0).record("", 5, "\x01x\x07exa").b},
		{"fewer records than announced", newBuilder(2, 0).record("", 5, good).b},
		{"no question", []byte("\x00\x07\x80\x00\x00\x01\x00\x00\x00\x00\x00\x00")},
	} {
		t.Run(test.name, func(t *testing.T) {
			if v := s.judge(test.message); v.finding != unreadable || v.err == nil {
				t.Errorf("finding %d, %v, want unreadable", v.finding, v.err)
			}
		})
	}
	for n := headerLen; n < len(whole); n++ {
		if v := s.judge(whole[:n]); v.finding != unreadable {
			t.Errorf("the first %d of %d bytes: finding %d, want unreadable", n, len(whole), v.finding)
		}
	}
	for n := range headerLen {
		if v := s.judge(whole[:n]); v.finding != harmless {
			t.Errorf("%d bytes, too few for a header: finding %d, want harmless", n, v.finding)
		}
	}
}

// TestJudgeCut checks that a listed name is found even if the rest of the
// message is invalid, or the message was truncated. A truncated message without
// one is harmless: the client asks again over TCP.
func TestJudgeCut(t *testing.T) {
	s := newSink(t, noName)
	b := newBuilder(3, 0).record("", 5, bad).b
	wantVerdict(t, s.judge(b), verdict{finding: listed, name: "www.example.", kind: "A", via: "x.ADS.example."})
	b[2] |= flagTruncated >> 8
	wantVerdict(t, s.judge(b), verdict{finding: listed, name: "www.example.", kind: "A", via: "x.ADS.example."})
	b = newBuilder(3, 0).record("", 5, good).b
	b[2] |= flagTruncated >> 8
	wantVerdict(t, s.judge(b), verdict{})
	wantVerdict(t, s.judge(b[:len(b)-1]), verdict{finding: unreadable, name: "www.example.", kind: "A"})
}

// TestJudgeTrailing checks that bytes after the last record are ignored.
func TestJudgeTrailing(t *testing.T) {
	s := newSink(t, noName)
	b := newBuilder(1, 0).record("", 5, good).record("", 5, bad).b
	wantVerdict(t, s.judge(b), verdict{})
	b = append(newBuilder(1, 0).record("", 5, bad).b, "rest"...)
	wantVerdict(t, s.judge(b), verdict{finding: listed, name: "www.example.", kind: "A", via: "x.ADS.example."})
}

// TestJudgeException checks that the aliases of an allowed name are allowed.
func TestJudgeException(t *testing.T) {
	s := newSink(t, noName)
	if err := s.names.Allow("www.example"); err != nil {
		t.Fatal(err)
	}
	if v := s.judge(newBuilder(1, 0).record("", 5, bad).b); v.finding != harmless {
		t.Errorf("finding %d, want harmless", v.finding)
	}
}

func TestJudgeDoesNotAllocate(t *testing.T) {
	s := newSink(t, noName)
	m := response(ask("www.example.", dnsmessage.TypeA), alias("www.example.", "x.example."), address("x.example."))
	m.Additionals = []dnsmessage.Resource{opt()}
	b := pack(t, m)
	if n := testing.AllocsPerRun(100, func() { s.judge(b) }); n != 0 {
		t.Errorf("%v allocations for a harmless message, want none", n)
	}
}

// FuzzJudge checks that a replacement is a response to the same question, and
// that every name that a stricter parser finds in a message is examined.
func FuzzJudge(f *testing.F) {
	q := ask("a.ads.example.", dnsmessage.TypeA)
	m := response(q, address("a.ads.example."))
	m.Additionals = []dnsmessage.Resource{opt()}
	f.Add(pack(f, m))
	f.Add(pack(f, query(q)))
	f.Add(pack(f, response(ask("www.example.", dnsmessage.TypeAAAA), alias("www.example.", "ads.example."))))
	f.Add(newBuilder(2, 0).record("", 35, "\x00\x01\x00\x02\x01s\x07SIP+D2U\x00"+bad).record("", 65, "\x00\x01"+bad).b)
	sinks := []*sink{newSink(f, noName), newSink(f, zero), newSink(f, drop)}
	f.Fuzz(func(t *testing.T, message []byte) {
		before := bytes.Clone(message)
		for _, s := range sinks {
			v := s.judge(message)
			if !bytes.Equal(message, before) {
				t.Fatal("the message has changed")
			}
			if v.reply != nil {
				checkReply(t, message, v)
			}
			if v.finding == harmless {
				checkHarmless(t, s, message)
			}
		}
	})
}

func checkReply(t *testing.T, message []byte, v verdict) {
	t.Helper()
	var r reader
	var id uint16
	for _, m := range [][]byte{message, v.reply} {
		r = reader{message: m, at: headerLen}
		var q question
		if err := r.question(&q); err != nil {
			t.Fatalf("%x: %v", m, err)
		}
		if got := q.name.String(); got != v.name {
			t.Errorf("question %s, want %s", got, v.name)
		}
		id ^= binary.BigEndian.Uint16(m)
	}
	if id != 0 {
		t.Error("the reply has another ID")
	}
	s := sink{names: new(names.Set)}
	if v := s.judge(v.reply); v.finding != harmless {
		t.Errorf("the reply makes no sense: %v", v.err)
	}
}

// checkHarmless fails if another parser finds a listed name in a message.
func checkHarmless(t *testing.T, s *sink, message []byte) {
	t.Helper()
	var p dnsmessage.Parser
	h, err := p.Start(message)
	if err != nil || !h.Response || h.OpCode != 0 {
		return
	}
	questions, err := p.AllQuestions()
	if err != nil {
		return
	}
	for _, q := range questions {
		if s.names.Has(q.Name.String()) {
			t.Errorf("harmless, and yet it asks for %s", q.Name)
		}
	}
	for {
		rr, err := p.Answer()
		if err != nil {
			return
		}
		if c, ok := rr.Body.(*dnsmessage.CNAMEResource); ok && s.names.Has(c.CNAME.String()) {
			t.Errorf("harmless, and yet it leads to %s", c.CNAME)
		}
	}
}
