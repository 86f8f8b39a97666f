package kerneltest

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/ipqueue/ipqueue/internal/sock"
)

func TestRefuseVerdicts(t *testing.T) {
	k, s := boundNFQ(t, Options{})
	j := k.Inject(Packet{Payload: ipv4("")})
	k.RefuseVerdicts(2, errNoBufs)
	for range 2 {
		if errno := request(t, s, native, nfqRequest(nfqVerdict, 0, verdictAttr(verdictAccept, 1))); errno != errNoBufs {
			t.Errorf("verdict: %v, want ENOBUFS", errno)
		}
	}
	wantFate(t, j, Pending)
	decide(t, s, 0, verdictAccept, 1)

	k, s, a := boundIPQ(t, Options{}, sock.Config{})
	id := k.Inject(Packet{Payload: ipv4("")}).Result().IDs[0]
	k.RefuseVerdicts(1, errNoEnt)
	for _, want := range []Errno{errNoEnt, 0} {
		if errno := ipqVerdict(t, s, a, verdictAccept, id, nil); errno != want {
			t.Errorf("verdict: %v, want %v", errno, want)
		}
	}
}

func TestHoldReplies(t *testing.T) {
	k, s := boundNFQ(t, Options{})
	k.HoldReplies()
	send(t, s, nfqRequest(nfqVerdict, 0, verdictAttr(verdictAccept, 1)))
	send(t, s, nfqRequest(nfqConfig, 0))
	k.Inject(Packet{Payload: ipv4("")})
	if got := receive(t, s); len(got) != 1 || native.Uint16(got[0][4:]) != nfqPacket {
		t.Errorf("got %x while replies are held, want one packet", got)
	}
	k.ReleaseReplies()
	got := receive(t, s)
	if len(got) != 2 || native.Uint16(got[0][24:]) != nfqVerdict || native.Uint16(got[1][24:]) != nfqConfig {
		t.Errorf("got %x, want the replies in order", got)
	}
	request(t, s, native, nfqRequest(nfqConfig, 0))
}

func TestLoseReplies(t *testing.T) {
	k, s := boundNFQ(t, Options{})
	k.LoseReplies(1)
	send(t, s, nfqRequest(nfqConfig, 0))
	if _, err := s.Receive(slots(1), nil); !errors.Is(err, errNoBufs) {
		t.Errorf("Receive: %v, want ENOBUFS", err)
	}
	request(t, s, native, nfqRequest(nfqConfig, 0))
}

func TestLinkDown(t *testing.T) {
	down, up := Device{2, "down"}, Device{3, "up"}
	for name, tt := range map[string]struct {
		p    Packet
		want Fate
	}{
		"in":       {Packet{In: down, Out: up}, Flushed},
		"out":      {Packet{In: up, Out: down}, Flushed},
		"port in":  {Packet{In: up, PhysIn: down}, Flushed},
		"port out": {Packet{Out: up, PhysOut: down}, Flushed},
		"others":   {Packet{In: up, Out: up}, Pending},
		"none":     {Packet{}, Pending},
	} {
		t.Run(name, func(t *testing.T) {
			tt.p.Payload = ipv4("")
			nfq, _ := boundNFQ(t, Options{})
			ipq, _, _ := boundIPQ(t, Options{}, sock.Config{})
			for _, k := range []*Kernel{nfq, ipq} {
				j := k.Inject(tt.p)
				k.LinkDown(down)
				k.LinkDown(Device{})
				wantFate(t, j, tt.want)
			}
		})
	}
}

// TestLinkDownFreesID checks how an application notices that ip_queue has dropped a
// packet: another packet has the same id.
func TestLinkDownFreesID(t *testing.T) {
	k, s, a := boundIPQ(t, Options{}, sock.Config{})
	lo := Device{1, "lo"}
	gone := k.Inject(Packet{Out: lo, Payload: ipv4("")})
	k.LinkDown(lo)
	next := k.Inject(Packet{Payload: ipv4("")})
	if old, id := gone.Result().IDs[0], next.Result().IDs[0]; old != id {
		t.Errorf("ids are %#x and %#x, want the same", old, id)
	}
	if errno := ipqVerdict(t, s, a, verdictAccept, next.Result().IDs[0], nil); errno != 0 {
		t.Errorf("verdict: %v", errno)
	}
	wantFate(t, gone, Flushed)
	wantFate(t, next, Accepted)
}

func TestRemoveHook(t *testing.T) {
	k, s := boundNFQ(t, Options{}, flagsAttr(flagFailOpen))
	j := k.Inject(Packet{Payload: ipv4("")})
	k.RemoveHook()
	wantFate(t, j, Flushed)
	if errno := request(t, s, native, nfqRequest(nfqVerdict, 0, verdictAttr(verdictAccept, 1))); errno != errNoEnt {
		t.Errorf("late verdict: %v, want ENOENT", errno)
	}
	old, _, _ := boundIPQ(t, Options{}, sock.Config{})
	j = old.Inject(Packet{Payload: ipv4("")})
	old.RemoveHook()
	wantFate(t, j, Pending)
}

func TestUnbindByOthers(t *testing.T) {
	k, s := boundNFQ(t, Options{})
	j := k.Inject(Packet{Payload: ipv4("")})
	k.Unbind(0)
	k.Unbind(0)
	wantFate(t, j, Flushed)
	if errno := request(t, s, native, nfqRequest(nfqVerdict, 0, verdictAttr(verdictAccept, 1))); errno != errNoDev {
		t.Errorf("verdict: %v, want ENODEV", errno)
	}
}

func TestUnloadIPQ(t *testing.T) {
	k, s, a := boundIPQ(t, Options{}, sock.Config{})
	j := k.Inject(Packet{Payload: ipv4("")})
	k.Unload(IPQueue)
	wantFate(t, j, Flushed)
	b := ipqRequest(a, ipqmMode, s.Port(), ipqModeBody(a, 1, 0))
	if n, err := s.Send([][]byte{b}); n != 0 || !errors.Is(err, errConnRefused) {
		t.Errorf("Send = %d, %v; want ECONNREFUSED", n, err)
	}
	if _, err := k.Open(sock.Config{Protocol: sock.ProtoFirewall}); !errors.Is(err, errNoProtocol) {
		t.Errorf("Open: %v, want EPROTONOSUPPORT", err)
	}
	if _, err := k.Open(sock.Config{Protocol: sock.ProtoIP6FW}); err != nil {
		t.Errorf("Open of the other family: %v", err)
	}
}

func TestForcedIDs(t *testing.T) {
	k, s := boundNFQ(t, Options{})
	k.Inject(Packet{Payload: ipv4("")})
	k.SetLastID(0, 0)
	k.Inject(Packet{Payload: ipv4("")})
	if p := packets(t, s); len(p) != 2 || idOf(p[0]) != 1 || idOf(p[1]) != 1 {
		t.Errorf("ids of %v, want 1 twice", p)
	}
	k, _, _ = boundIPQ(t, Options{}, sock.Config{})
	k.ForceID(IPv4, 0xffff_8000_0000_1234)
	if id := k.Inject(Packet{Payload: ipv4("")}).Result().IDs[0]; id != 0xffff_8000_0000_1234 {
		t.Errorf("id is %#x, want the one asked for", id)
	}
}

func TestFailSend(t *testing.T) {
	k, s := boundNFQ(t, Options{})
	var batch [][]byte
	var js []*Journey
	for id := range uint32(4) {
		js = append(js, k.Inject(Packet{Payload: ipv4("")}))
		batch = append(batch, silently(nfqRequest(nfqVerdict, 0, verdictAttr(verdictAccept, id+1))))
	}
	s.FailSend(1, 2, errNoBufs)
	for _, want := range []struct {
		n   int
		err error
	}{{1, errNoBufs}, {0, errNoBufs}, {3, nil}} {
		n, err := s.Send(batch)
		if n != want.n || !errors.Is(err, want.err) {
			t.Errorf("Send = %d, %v; want %d, %v", n, err, want.n, want.err)
		}
		batch = batch[n:]
	}
	for _, j := range js {
		wantFate(t, j, Accepted)
	}
}

func TestFailReceive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := nfqSocket(t)
		done := make(chan error)
		go func() { _, err := s.Receive(slots(1), nil); done <- err }()
		synctest.Wait()
		s.FailReceive(errConnRefused)
		if err := <-done; !errors.Is(err, errConnRefused) {
			t.Errorf("waiting Receive: %v, want ECONNREFUSED", err)
		}
		s.Deliver(0, []byte("x"))
		if _, err := s.Receive(slots(1), nil); !errors.Is(err, errConnRefused) {
			t.Errorf("Receive: %v, want ECONNREFUSED for ever", err)
		}
	})
}

func TestForcedOverrun(t *testing.T) {
	k, s := boundNFQ(t, Options{})
	k.Inject(Packet{Payload: ipv4("")})
	s.Overrun()
	wantFate(t, k.Inject(Packet{Payload: ipv4("")}), Undelivered)
	if _, err := s.Receive(slots(1), nil); !errors.Is(err, errNoBufs) {
		t.Errorf("Receive: %v, want ENOBUFS", err)
	}
	if n := len(receive(t, s)); n != 1 {
		t.Errorf("%d packets, want 1", n)
	}
	wantFate(t, k.Inject(Packet{Payload: ipv4("")}), Pending)
	if n, err := s.Drops(); err != nil || n != 2 {
		t.Errorf("%d drops, want 2", n)
	}
}

// TestLosePackets checks that lost packets use up ids of nfnetlink_queue. Even if the
// receive buffer is empty, one read fails with ENOBUFS before packets arrive again.
func TestLosePackets(t *testing.T) {
	lose := func(k *Kernel, s *Socket) Result {
		k.LosePackets(2)
		for range 2 {
			wantFate(t, k.Inject(Packet{Payload: ipv4("")}), Undelivered)
		}
		if _, err := s.Receive(slots(1), nil); !errors.Is(err, errNoBufs) {
			t.Errorf("Receive: %v, want ENOBUFS", err)
		}
		j := k.Inject(Packet{Payload: ipv4("")})
		wantFate(t, j, Pending)
		return j.Result()
	}
	if r := lose(boundNFQ(t, Options{})); len(r.IDs) != 1 || r.IDs[0] != 3 {
		t.Errorf("ids %d after two losses, want 3", r.IDs)
	}
	k, s, _ := boundIPQ(t, Options{}, sock.Config{})
	lose(k, s)
}
