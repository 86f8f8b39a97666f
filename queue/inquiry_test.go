package queue_test

import (
	"context"
	"encoding/binary"
	"testing"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/wire"
)

// A ruleKernel has rules: it answers requests for them, each time with the next
// of answers and then with the last one again.
type ruleKernel struct {
	*host
	answers [][]sock.Datagram
}

func (k *ruleKernel) Open(c sock.Config) (sock.Socket, error) {
	s, err := k.Kernel.Open(c)
	return &ruleSocket{Socket: s, kernel: k}, err
}

type ruleSocket struct {
	sock.Socket
	kernel *ruleKernel
	unread []sock.Datagram
}

func (s *ruleSocket) Request(list [][]byte) (int, error) {
	var h wire.Header
	_, err := h.Parse(wire.Native(), list[0])
	if err != nil || h.Type != wire.NFTGetRuleType {
		return s.Socket.Request(list)
	}
	for _, d := range s.kernel.answers[0] {
		s.unread = append(s.unread, withSeq(d, h.Seq))
	}
	if len(s.kernel.answers) > 1 {
		s.kernel.answers = s.kernel.answers[1:]
	}
	return 1, nil
}

// withSeq returns the datagram with the sequence number added to those of its
// messages.
func withSeq(d sock.Datagram, seq uint32) sock.Datagram {
	d.Buf = append([]byte(nil), d.Buf...)
	for at := 0; at < len(d.Buf); at += int(binary.NativeEndian.Uint32(d.Buf[at:])+3) &^ 3 {
		was := binary.NativeEndian.Uint32(d.Buf[at+8:])
		binary.NativeEndian.PutUint32(d.Buf[at+8:], was+seq)
	}
	return d
}

func (s *ruleSocket) Receive(batch []sock.Datagram, idle func() bool) (int, error) {
	if len(s.unread) == 0 {
		return s.Socket.Receive(batch, idle)
	}
	d := s.unread[0]
	s.unread = s.unread[1:]
	batch[0].N, batch[0].From, batch[0].Truncated = copy(batch[0].Buf, d.Buf), d.From, d.Truncated
	return 1, nil
}

// message is a netlink message of that type, as the answer to the request that
// is later by seq.
func message(typ, flags uint16, seq uint32, body []byte) []byte {
	b := wire.Native().AppendHeader(nil, wire.Header{Len: uint32(wire.HeaderLen + len(body)), Type: typ, Flags: flags, Seq: seq})
	return append(append(b, body...), make([]byte, -len(body)&3)...)
}

// ruleToQueue is a message about a rule in table t, chain c of family inet.
func ruleToQueue(handle byte, first, total, flags uint16) []byte {
	attr, big := wire.AppendAttr, binary.BigEndian.AppendUint16
	data := attr(attr(attr(nil, 1, big(nil, first)), 2, big(nil, total)), 3, big(nil, flags))
	expression := attr(attr(nil, 1, []byte("queue\x00")), 2, data)
	rule := attr(attr([]byte{1, 0, 0, 0}, 1, []byte("t\x00")), 2, []byte("c\x00"))
	rule = attr(rule, 3, []byte{0, 0, 0, 0, 0, 0, 0, handle})
	return message(wire.NFTNewRuleType, wire.FlagMulti, 0, attr(rule, 4, attr(nil, 1, expression)))
}

// done is the message that ends a list.
func done(flags uint16) []byte {
	return message(wire.NLMsgDone, wire.FlagMulti|flags, 0, make([]byte, 4))
}

func datagram(messages ...[]byte) sock.Datagram {
	var d sock.Datagram
	for _, m := range messages {
		d.Buf = append(d.Buf, m...)
	}
	return d
}

// diagnoseRules examines queue 5 of a kernel that answers so.
func diagnoseRules(answers ...[]sock.Datagram) queue.Diagnosis {
	k := &ruleKernel{&host{kerneltest.New(kerneltest.Options{}), files("6.18.3")}, answers}
	return queue.Diagnose(sock.WithKernel(context.Background(), k), queue.Config{Number: 5})
}

func TestInquiryRules(t *testing.T) {
	one, two := ruleToQueue(1, 5, 1, 0), ruleToQueue(2, 6, 1, 0)
	other := message(wire.NFTNewRuleType+1, 0, 0, nil)
	foreign := datagram(two)
	foreign.From = 77
	for _, tt := range []struct {
		name    string
		answers [][]sock.Datagram
		want    int // rules
	}{
		{"one datagram", [][]sock.Datagram{{datagram(one, two, done(0))}}, 2},
		{"several datagrams", [][]sock.Datagram{{datagram(one), datagram(two), datagram(done(0))}}, 2},
		{"none", [][]sock.Datagram{{datagram(done(0))}}, 0},
		{"another type", [][]sock.Datagram{{datagram(other, one, done(0))}}, 1},
		{"another process", [][]sock.Datagram{{foreign, datagram(one, done(0))}}, 1},
		{"another answer", [][]sock.Datagram{{datagram(message(wire.NLMsgDone, 0, 99, nil), one, done(0))}}, 1},
		{"a change at the end", [][]sock.Datagram{{datagram(one, done(wire.FlagDumpInterrupted))}, {datagram(one, two, done(0))}}, 2},
		{"a change before", [][]sock.Datagram{
			{datagram(message(wire.NFTNewRuleType+1, wire.FlagDumpInterrupted, 0, nil), one, done(0))},
			{datagram(done(0))}}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := diagnoseRules(tt.answers...)
			if len(d.Rules) != tt.want {
				t.Errorf("%d rules, want %d: %v", len(d.Rules), tt.want, d.Rules)
			}
			wantFinding(t, d, queue.Good, queue.AboutPrivilege)
		})
	}
}

func TestInquiryErrors(t *testing.T) {
	cut := datagram(ruleToQueue(1, 5, 1, 0))
	cut.Truncated = true
	refusal := make([]byte, 4+wire.HeaderLen) // struct nlmsgerr
	minus := -int32(eio)
	binary.NativeEndian.PutUint32(refusal, uint32(minus))
	for _, tt := range []struct {
		name   string
		answer sock.Datagram
		want   string
	}{
		{"refused", datagram(message(wire.NLMsgError, 0, 0, refusal)), eio.Error()},
		{"cut", cut, "an answer of more than"},
		{"not a message", sock.Datagram{Buf: []byte{200, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}, "truncated"},
		{"not a rule", datagram(message(wire.NFTNewRuleType, 0, 0, nil)), "truncated"},
		{"always changing", datagram(done(wire.FlagDumpInterrupted)), "it changed while it was read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wantFinding(t, diagnoseRules([]sock.Datagram{tt.answer}), queue.Unseen, queue.AboutRules, "cannot be read", tt.want)
		})
	}
}
