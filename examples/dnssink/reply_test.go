package main

import (
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
		want   dnsmessage.ResourceBody // nil for no data
	}{
		{"no such name", noName, dnsmessage.TypeA, dnsmessage.RCodeNameError, nil},
		{"zero IPv4", zero, dnsmessage.TypeA, dnsmessage.RCodeSuccess, &dnsmessage.AResource{}},
		{"zero IPv6", zero, dnsmessage.TypeAAAA, dnsmessage.RCodeSuccess, &dnsmessage.AAAAResource{}},
		{"zero of another type", zero, dnsmessage.TypeHTTPS, dnsmessage.RCodeSuccess, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			q := question("Blocked.example.", test.kind)
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
			wantBlockedOPT(t, m.Additionals)
		})
	}
}

// judged returns what replaces the message.
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

func wantBlockedOPT(t *testing.T, got []dnsmessage.Resource) {
	t.Helper()
	if len(got) != 1 {
		t.Fatalf("%d additional records, want the OPT record", len(got))
	}
	h := got[0].Header
	if h.Type != dnsmessage.TypeOPT || h.Class != 1232 || !h.DNSSECAllowed() || h.ExtendedRCode(0) != 0 {
		t.Errorf("OPT header %v, want size 1232, DO and no response code", h)
	}
	if want := blocked(); !reflect.DeepEqual(got[0].Body, want) {
		t.Errorf("OPT record %v, want %v", got[0].Body, want)
	}
}

// A question without OPT gets a response without.
func TestReplyWithoutEDNS(t *testing.T) {
	m := judged(t, noName, response(question("blocked.example.", dnsmessage.TypeA)))
	if len(m.Additionals) != 0 {
		t.Errorf("additional records %v, want none", m.Additionals)
	}
}
