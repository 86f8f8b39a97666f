package main

import (
	"encoding/binary"
	"reflect"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func TestReply(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer answer
		kind   dnsmessage.Type
		rcode  dnsmessage.RCode
		want   dnsmessage.ResourceBody // nil means no data
		zone   string                  // the owner of the SOA record
	}{
		{"no such name", noName, dnsmessage.TypeA, dnsmessage.RCodeNameError, nil, "example."},
		{"zero IPv4", zero, dnsmessage.TypeA, dnsmessage.RCodeSuccess, &dnsmessage.AResource{}, ""},
		{"zero IPv6", zero, dnsmessage.TypeAAAA, dnsmessage.RCodeSuccess, &dnsmessage.AAAAResource{}, ""},
		{"zero of another type", zero, dnsmessage.TypeHTTPS, dnsmessage.RCodeSuccess, nil, "Blocked.example."},
	} {
		t.Run(test.name, func(t *testing.T) {
			q := ask("Blocked.example.", test.kind)
			was := response(q, address("blocked.example."))
			was.Additionals = []dnsmessage.Resource{address("ns.example."), opt()}
			m := judged(t, test.answer, was)
			wantHeader := dnsmessage.Header{
				ID: 7, Response: true, RecursionDesired: true, RecursionAvailable: true, RCode: test.rcode,
			}
			if m.Header != wantHeader {
				t.Errorf("header %+v, want %+v", m.Header, wantHeader)
			}
			if got := m.Questions[0]; got != q {
				t.Errorf("question %v, want %v", got, q)
			}
			wantAnswer(t, m.Answers, "Blocked.example.", test.want)
			wantSOA(t, m.Authorities, test.zone)
			wantBlockedOPT(t, m.Additionals, cookie)
		})
	}
}

// judged returns the replacement of the message.
func judged(t *testing.T, a answer, was dnsmessage.Message) (m dnsmessage.Message) {
	t.Helper()
	v := newSink(t, a).judge(pack(t, was))
	if err := m.Unpack(v.reply); err != nil {
		t.Fatal(err)
	}
	return m
}

func wantAnswer(t *testing.T, got []dnsmessage.Resource, name string, want dnsmessage.ResourceBody) {
	t.Helper()
	if want == nil {
		if len(got) != 0 {
			t.Errorf("answers %v, want none", got)
		}
		return
	}
	if len(got) != 1 || got[0].Header.Name.String() != name || !reflect.DeepEqual(got[0].Body, want) {
		t.Errorf("answers %v, want %v of %s", got, want, name)
	}
}

// wantSOA checks the SOA record, which makes resolvers cache a negative answer.
func wantSOA(t *testing.T, got []dnsmessage.Resource, zone string) {
	t.Helper()
	if zone == "" {
		if len(got) != 0 {
			t.Errorf("authorities %v, want none", got)
		}
		return
	}
	if len(got) != 1 {
		t.Fatalf("authorities %v, want the SOA record", got)
	}
	h := got[0].Header
	body, ok := got[0].Body.(*dnsmessage.SOAResource)
	if !ok || body.MinTTL != ttl || h.TTL != ttl || h.Name.String() != zone {
		t.Errorf("authority %v %v, want the SOA record of %s for %d seconds", h, got[0].Body, zone, ttl)
	}
}

func wantBlockedOPT(t *testing.T, got []dnsmessage.Resource, cookie []byte) {
	t.Helper()
	if len(got) != 1 {
		t.Fatalf("%d additional records, want the OPT record", len(got))
	}
	h := got[0].Header
	if h.Type != dnsmessage.TypeOPT || h.Class != 1232 || !h.DNSSECAllowed() || h.ExtendedRCode(0) != 0 {
		t.Errorf("OPT header %v, want size 1232, DO and no response code", h)
	}
	want := &dnsmessage.OPTResource{Options: []dnsmessage.Option{{Code: 10, Data: cookie}, {Code: 15, Data: []byte{0, 15}}}}
	if cookie == nil {
		want.Options = want.Options[1:]
	}
	if !reflect.DeepEqual(got[0].Body, want) {
		t.Errorf("OPT record %v, want %v", got[0].Body, want)
	}
}

// TestReplyWithoutEDNS checks that a reply has an OPT record only if the
// message has one, and a cookie only if the message has one.
func TestReplyWithoutEDNS(t *testing.T) {
	was := response(ask("blocked.example.", dnsmessage.TypeA))
	if m := judged(t, noName, was); len(m.Additionals) != 0 {
		t.Errorf("additional records %v, want none", m.Additionals)
	}
	o := opt()
	o.Body = new(dnsmessage.OPTResource)
	was.Additionals = []dnsmessage.Resource{o}
	wantBlockedOPT(t, judged(t, noName, was).Additionals, nil)
}

// TestReplyOddOptions checks that a reply omits invalid options.
func TestReplyOddOptions(t *testing.T) {
	for _, options := range []string{"", "\x00", "\x00\x0a\x00", "\x00\x0a\x00\x09abcdefgh", "\x00\x0a\x00\x30" + string(make([]byte, 48))} {
		b := newBuilder(1, 1).record("", 5, bad).record("\x00", 41, options).b
		v := newSink(t, noName).judge(b)
		var m dnsmessage.Message
		if err := m.Unpack(v.reply); err != nil {
			t.Fatal(err)
		}
		if len(m.Additionals) != 1 {
			t.Fatalf("%q: additional records %v, want the OPT record", options, m.Additionals)
		}
		if n := len(m.Additionals[0].Body.(*dnsmessage.OPTResource).Options); n != 1 {
			t.Errorf("%q: %d options, want one", options, n)
		}
	}
}

// TestReplyQuestion checks that a reply repeats the question exactly, including
// unusual bytes, and that the zone of a top-level name is the root.
func TestReplyQuestion(t *testing.T) {
	s := newSink(t, noName)
	if err := s.names.Add(".top"); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, owner string }{
		{"\x03ToP\x00", "\x00"},
		{"\x03x.\xff\x03tOp\x00", "\xc0\x10"},
		{"\x3f" + string(make([]byte, 63)) + "\x03top\x00", "\xc0\x4c"},
	} {
		b := append([]byte("\x12\x34\x81\x00\x00\x01\x00\x00\x00\x00\x00\x00"+test.name), 0, 1, 0, 1)
		reply := string(s.judge(b).reply)
		want := "\x12\x34\x81\x03\x00\x01\x00\x00\x00\x01\x00\x00" + test.name + "\x00\x01\x00\x01" + test.owner + "\x00\x06"
		if len(reply) < len(want) || reply[:len(want)] != want {
			t.Errorf("reply %q, want it to begin with %q", reply, want)
		}
	}
}

// TestReplyManyQuestions checks that a message with up to maxQuestions
// questions gets a reply, and one with more is dropped.
func TestReplyManyQuestions(t *testing.T) {
	for n, want := range map[int]bool{1: true, maxQuestions: true, maxQuestions + 1: false} {
		m := response(ask("blocked.example.", dnsmessage.TypeA))
		for len(m.Questions) < n {
			m.Questions = append(m.Questions, m.Questions[0])
		}
		v := newSink(t, noName).judge(pack(t, m))
		if v.finding != listed || (v.reply != nil) != want {
			t.Errorf("%d questions: finding %d with %d bytes of reply, want a reply: %t", n, v.finding, len(v.reply), want)
		}
		if want && int(binary.BigEndian.Uint16(v.reply[4:])) != n {
			t.Errorf("the reply to %d questions has another number", n)
		}
	}
}
