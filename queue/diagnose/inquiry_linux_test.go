package diagnose_test

import (
	"encoding/binary"
	"strings"
	"syscall"
	"testing"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/queue/diagnose"
	"github.com/ipqueue/ipqueue/wire"
)

// An answering is a host that answers every request with the same datagrams
// before its own answer.
type answering struct {
	*host
	first []sock.Datagram
}

func (h *answering) Open(c sock.Config) (sock.Socket, error) {
	s, err := h.host.Open(c)
	return &answeringSocket{Socket: s, first: h.first}, err
}

type answeringSocket struct {
	sock.Socket
	first, unread []sock.Datagram
	seq           uint32
}

func (s *answeringSocket) Request(list [][]byte) (int, error) {
	s.seq = binary.NativeEndian.Uint32(list[0][8:])
	s.unread = s.first
	return s.Socket.Request(list)
}

func (s *answeringSocket) Receive(batch []sock.Datagram, idle func() bool) (int, error) {
	if len(s.unread) == 0 {
		return s.Socket.Receive(batch, idle)
	}
	d := s.unread[0]
	s.unread = s.unread[1:]
	batch[0].N, batch[0].From, batch[0].Truncated = copy(batch[0].Buf, d.Buf), d.From, d.Truncated
	if d.N > 0 { // with the sequence number asked for
		binary.NativeEndian.PutUint32(batch[0].Buf[8:], s.seq)
	}
	return 1, nil
}

// refusal is an error message.
func refusal(e syscall.Errno, seq uint32) []byte {
	b := wire.Native().AppendHeader(nil, wire.Header{Len: wire.HeaderLen + 20, Type: wire.NLMsgError, Seq: seq})
	b = binary.NativeEndian.AppendUint32(b, -uint32(e))
	return append(b, make([]byte, 16)...)
}

// Only the kernel's reply to a request counts as its answer.
func TestRunAnswers(t *testing.T) {
	const this = 1 // N of a datagram with the sequence number asked for
	packet := wire.Native().AppendHeader(nil, wire.Header{Len: wire.HeaderLen, Type: wire.NFQPacketType})
	for _, tt := range []struct {
		name  string
		first sock.Datagram
		want  diagnose.Severity
		words string
	}{
		{"refused", sock.Datagram{Buf: refusal(syscall.EIO, 0), N: this}, diagnose.Unseen, syscall.EIO.Error()},
		{"another request's", sock.Datagram{Buf: refusal(syscall.EIO, 99)}, diagnose.Good, "has CAP_NET_ADMIN"},
		{"another process's", sock.Datagram{Buf: refusal(syscall.EIO, 0), N: this, From: 77}, diagnose.Good, "has CAP_NET_ADMIN"},
		{"another message", sock.Datagram{Buf: packet, N: this}, diagnose.Good, "has CAP_NET_ADMIN"},
		{"cut", sock.Datagram{Truncated: true}, diagnose.Unseen, "reply of more than"},
		{"too short", sock.Datagram{Buf: []byte{200, 0, 0, 0}}, diagnose.Unseen, "truncated"},
		{"too short for an error", sock.Datagram{Buf: wire.Native().AppendHeader(nil, wire.Header{Len: wire.HeaderLen, Type: wire.NLMsgError}), N: this}, diagnose.Unseen, "truncated"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := &answering{newHost(kerneltest.Options{}, ""), []sock.Datagram{tt.first}}
			r := diagnose.Run(sock.WithKernel(t.Context(), h), queue.Config{})
			wantFinding(t, r, tt.want, diagnose.AboutPrivilege, tt.words)
		})
	}
}

// Requests about flags never use a queue that is bound.
func TestRunAsksUnbound(t *testing.T) {
	h := newHost(kerneltest.Options{}, "")
	h.open(t, queue.Config{Number: 65535})
	h.open(t, queue.Config{Number: 65534})
	wantFinding(t, h.run(queue.Config{FailOpen: true}), diagnose.Good, diagnose.AboutConfig, "Config.FailOpen")
	status, _ := h.ReadFile("/proc/net/netfilter/nfnetlink_queue")
	if n := strings.Count(string(status), "\n"); n != 2 {
		t.Errorf("%d queues are bound, want 2:\n%s", n, status)
	}
}
