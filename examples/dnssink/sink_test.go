package main

import (
	"bytes"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// newSink lists blocked.example and all below .ads.example.
func newSink(t testing.TB, a answer) *sink {
	t.Helper()
	s := &sink{answer: a}
	for _, name := range []string{"blocked.example", ".ads.example"} {
		if err := s.names.Add(name); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func question(name string, kind dnsmessage.Type) dnsmessage.Question {
	return dnsmessage.Question{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}
}

// header is that of a record about the name.
func header(name string) dnsmessage.ResourceHeader {
	return dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET, TTL: 300}
}

// address is the record that every name has.
func address(name string) dnsmessage.Resource {
	return dnsmessage.Resource{Header: header(name), Body: &dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}}}
}

func alias(name, to string) dnsmessage.Resource {
	return dnsmessage.Resource{Header: header(name), Body: &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(to)}}
}

// opt is an OPT record with a cookie and an extended response code.
func opt() dnsmessage.Resource {
	h := dnsmessage.ResourceHeader{}
	if err := h.SetEDNS0(1232, dnsmessage.RCode(16), true); err != nil {
		panic(err)
	}
	return dnsmessage.Resource{Header: h, Body: &dnsmessage.OPTResource{
		Options: []dnsmessage.Option{{Code: 10, Data: make([]byte, 8)}},
	}}
}

// pack compresses names.
func pack(t testing.TB, m dnsmessage.Message) []byte {
	t.Helper()
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// response is one to the question.
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
	a := func(name string) dnsmessage.Question { return question(name, dnsmessage.TypeA) }
	other := a("www.example.")
	update := response(a("blocked.example."))
	update.OpCode = 5
	two := response(a("blocked.example."))
	two.Questions = append(two.Questions, other)
	for _, test := range []struct {
		name    string
		message dnsmessage.Message
		answer  answer
		want    verdict // without reply
		replies bool
	}{
		{"exact", response(a("blocked.example."), address("blocked.example.")), noName, verdict{name: "blocked.example.", kind: "A"}, true},
		{"case", response(a("bLoCkEd.Example.")), noName, verdict{name: "bLoCkEd.Example.", kind: "A"}, true},
		{"zero", response(a("blocked.example.")), zero, verdict{name: "blocked.example.", kind: "A"}, true},
		{"suffix", response(question("a.b.ads.example.", dnsmessage.TypeMX)), noName, verdict{name: "a.b.ads.example.", kind: "MX"}, true},
		{"suffix itself", response(a("ads.example.")), noName, verdict{name: "ads.example.", kind: "A"}, true},
		{"below exact", response(a("a.blocked.example."), address("a.blocked.example.")), noName, verdict{}, false},
		{"other", response(other, address("www.example.")), noName, verdict{}, false},
		{"root", response(a(".")), noName, verdict{}, false},
		{"alias", response(other, address("www.example."), alias("www.example.", "x.example."), alias("x.example.", "y.ads.example."), address("y.ads.example.")),
			noName, verdict{name: "www.example.", kind: "A"}, true},
		{"other alias", response(other, alias("www.example.", "x.example."), address("x.example.")), noName, verdict{}, false},
		{"query", query(a("blocked.example.")), noName, verdict{}, false},
		{"query to drop", query(a("blocked.example.")), drop, verdict{name: "blocked.example.", kind: "A"}, false},
		{"other query", query(other), drop, verdict{}, false},
		{"response to drop", response(a("blocked.example.")), drop, verdict{name: "blocked.example.", kind: "A"}, false},
		{"update", update, noName, verdict{}, false},
		{"two questions", two, noName, verdict{}, false},
		{"no question", dnsmessage.Message{Header: dnsmessage.Header{Response: true}}, noName, verdict{}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := newSink(t, test.answer).judge(pack(t, test.message))
			if got.name != test.want.name || got.kind != test.want.kind || (got.reply != nil) != test.replies {
				t.Errorf("verdict %q %q with %d bytes of reply, want %q %q and a reply: %t",
					got.name, got.kind, len(got.reply), test.want.name, test.want.kind, test.replies)
			}
		})
	}
}

// However a message is cut, its verdict is that of the whole or none.
func TestJudgeCut(t *testing.T) {
	s := newSink(t, noName)
	m := response(question("www.example.", dnsmessage.TypeA), alias("www.example.", "ads.example."))
	m.Additionals = []dnsmessage.Resource{opt()}
	whole := pack(t, m)
	for n := range whole {
		if got := s.judge(whole[:n]).name; got != "" && got != "www.example." {
			t.Errorf("the first %d of %d bytes ask for %q", n, len(whole), got)
		}
	}
	if got := s.judge(whole).name; got != "www.example." {
		t.Errorf("the whole message asks for %q", got)
	}
}

// What replaces a message is a response to the same question.
func FuzzJudge(f *testing.F) {
	q := question("a.ads.example.", dnsmessage.TypeA)
	m := response(q, address("a.ads.example."))
	m.Additionals = []dnsmessage.Resource{opt()}
	f.Add(pack(f, m))
	f.Add(pack(f, query(q)))
	f.Add(pack(f, response(question("www.example.", dnsmessage.TypeAAAA), alias("www.example.", "ads.example."))))
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
		}
	})
}

func checkReply(t *testing.T, message []byte, v verdict) {
	t.Helper()
	var was dnsmessage.Parser
	header, err := was.Start(message)
	if err != nil {
		t.Fatal(err)
	}
	asked, err := was.Question()
	if err != nil {
		t.Fatal(err)
	}
	var is dnsmessage.Message
	if err := is.Unpack(v.reply); err != nil {
		t.Fatalf("the reply %x makes no sense: %v", v.reply, err)
	}
	if is.ID != header.ID || !is.Response || len(is.Questions) != 1 || is.Questions[0] != asked {
		t.Errorf("the reply is %v, want a response to %v with ID %d", is, asked, header.ID)
	}
}
