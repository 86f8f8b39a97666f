package kerneltest

import (
	"testing"

	"github.com/ipqueue/ipqueue/internal/sock"
)

func TestNFQUnloaded(t *testing.T) {
	k, s := boundNFQ(t, Options{})
	j := k.Inject(Packet{Payload: ipv4("")})
	k.Unload(NFQueue)
	wantFate(t, j, Flushed)
	if errno := request(t, s, native, nfqRequest(nfqConfig, 0, bindAttr())); errno != errInval {
		t.Errorf("bind without the module: %v, want EINVAL", errno)
	}
	wantFate(t, k.Inject(Packet{}), Unheard)
}

func TestNFQOwnerClosed(t *testing.T) {
	k, s := boundNFQ(t, Options{})
	other := open(t, k, sock.Config{Protocol: sock.ProtoNetfilter})
	bind(t, other, 1)
	mine, its := k.Inject(Packet{Payload: ipv4("")}), k.Inject(Packet{Queue: 1, Payload: ipv4("")})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantFate(t, mine, Flushed)
	wantFate(t, its, Pending)
	bind(t, other, 0)
}

// TestNFQTransaction checks that a batch is refused, with all messages after it in the
// datagram.
func TestNFQTransaction(t *testing.T) {
	_, s := boundNFQ(t, Options{})
	b := append(nfqRequest(nfnlBatchBegin, 0), nfqRequest(nfqConfig, 0)...)
	if errno := request(t, s, native, b); errno != errOpNotSupp {
		t.Errorf("batch: %v, want EOPNOTSUPP", errno)
	}
	send(t, s, b[:headerLen])
	if n := len(receive(t, s)); n != 0 {
		t.Errorf("%d replies to a batch without nfgenmsg, want none", n)
	}
}
