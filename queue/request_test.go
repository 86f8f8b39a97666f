package queue_test

import (
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/wire"
)

// A callKernel notes the type of each message by the call that sent it.
type callKernel struct {
	*kerneltest.Kernel
	sent, requested map[uint16]int
}

func (k *callKernel) Open(c sock.Config) (sock.Socket, error) {
	s, err := k.Kernel.Open(c)
	if err != nil {
		return nil, err
	}
	return callSocket{s, k}, nil
}

type callSocket struct {
	sock.Socket
	kernel *callKernel
}

func (s callSocket) Send(list [][]byte) (int, error) {
	note(s.kernel.sent, list)
	return s.Socket.Send(list)
}

func (s callSocket) Request(list [][]byte) (int, error) {
	note(s.kernel.requested, list)
	return s.Socket.Request(list)
}

func note(types map[uint16]int, list [][]byte) {
	for _, d := range list {
		types[binary.NativeEndian.Uint16(d[4:])]++
	}
}

// TestRequestsAreOrdinaryCalls checks that all messages for which the kernel
// may load a module are sent by Request, and verdicts by Send.
func TestRequestsAreOrdinaryCalls(t *testing.T) {
	for _, tt := range []struct {
		kind
		request, verdict uint16
	}{
		{nfqueueKind, wire.NFQConfigType, wire.NFQVerdictType},
		{ipqueueKind, wire.IPQModeType, wire.IPQVerdictType},
	} {
		simulate(t, []kind{tt.kind}, kerneltest.Options{}, func(s *sim) {
			k := &callKernel{s.kernel, map[uint16]int{}, map[uint16]int{}}
			q, err := tt.kind.open(sock.WithKernel(s.ctx, k), queue.Config{FailOpen: tt.isNFQueue()})
			s.ok(err)
			s.q = q
			s.ok(q.SetMode(s.ctx, queue.MetaOnly))
			s.injectOne()
			s.ok(s.next().Accept())
			s.quiet()
			s.cancel(nil)
			time.Sleep(time.Second)
			synctest.Wait()
			s.ok(q.Close())
			if len(k.sent) != 1 || k.sent[tt.verdict] == 0 || len(k.requested) != 1 || k.requested[tt.request] < 3 {
				s.Errorf("sent %v, requested %v, want verdicts (%#x) and requests (%#x) apart", k.sent, k.requested, tt.verdict, tt.request)
			}
		})
	}
}
