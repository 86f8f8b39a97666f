package sock

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ipqueue/ipqueue/internal/testutil"
)

// A reader that finds datagrams without waiting for them is not woken by more.
func TestGate(t *testing.T) {
	testutil.CheckLeaks(t)
	p := newPeer(t, Config{})
	p.setDeadline(t, time.Now().Add(time.Minute))
	one := []byte("one")
	for round := range 3 {
		wait := func() bool { p.send(t, one); return true }
		if n, err := p.sock.Receive(newBatch(1, 16), wait); n != 1 || err != nil {
			t.Fatalf("round %d: Receive = %d, %v after a wait, want 1", round, n, err)
		}
		p.send(t, one)
		if !p.wakes(t) {
			t.Errorf("round %d: a datagram does not wake a reader that has to wait", round)
		}
		for range busyReads {
			if n, err := p.sock.Receive(newBatch(1, 16), never(t)); n != 1 || err != nil {
				t.Fatalf("round %d: Receive = %d, %v with a datagram there, want 1", round, n, err)
			}
			p.send(t, one)
		}
		if p.wakes(t) {
			t.Errorf("round %d: a datagram wakes a reader that is busy", round)
		}
		if n, err := p.sock.Receive(newBatch(1, 16), never(t)); n != 1 || err != nil {
			t.Fatalf("round %d: Receive = %d, %v of the last datagram, want 1", round, n, err)
		}
	}
}

// wakes reports whether the poller is notified of a datagram.
func (p *peer) wakes(t *testing.T) bool {
	t.Helper()
	var n int
	var err error
	cerr := p.sock.gate.rc.Control(func(fd uintptr) {
		n, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	})
	if err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	return n == 1
}

// TestGateOpensLate sends a datagram just before the gate is opened again. It
// is found, although epoll, which remembers an earlier one, does not report it.
func TestGateOpensLate(t *testing.T) {
	testutil.CheckLeaks(t)
	p := newPeer(t, Config{})
	p.setDeadline(t, time.Now().Add(time.Minute))
	one := []byte("one")
	go func() {
		time.Sleep(10 * time.Millisecond) // until the reader sleeps
		for range 3 {
			if err := sendTo(p.fd, p.sock.Port(), one); err != nil {
				t.Error(err)
			}
		}
	}()
	for range 3 {
		if n, err := p.sock.Receive(newBatch(1, 16), nil); n != 1 || err != nil {
			t.Fatalf("Receive = %d, %v, want 1", n, err)
		}
	}
	time.Sleep(10 * time.Millisecond) // until the poller has done with them
	n, err := p.sock.Receive(newBatch(1, 16), func() bool { p.send(t, one); return true })
	if n != 1 || err != nil {
		t.Errorf("Receive = %d, %v of a datagram that came as the reader was about to wait, want 1", n, err)
	}
}

// TestGateLosesNothing sends datagrams at many moments. Each is received: the
// sender continues only when all have been read.
func TestGateLosesNothing(t *testing.T) {
	testutil.CheckLeaks(t)
	const rounds = 5000
	p := newPeer(t, Config{ReadBuffer: 1 << 20})
	p.setDeadline(t, time.Now().Add(time.Minute))
	sizes, read := make(chan int), make(chan struct{})
	go func() {
		defer close(sizes)
		for range rounds {
			burst := 1 + rand.IntN(4)
			sizes <- burst
			for range burst {
				if err := sendTo(p.fd, p.sock.Port(), []byte("x")); err != nil {
					t.Error(err)
				}
			}
			<-read
		}
	}()
	batch := newBatch(MaxBatch, 16)
	for left := range sizes {
		for left > 0 {
			n, err := p.sock.Receive(batch[:1+rand.IntN(2)], nil)
			if err != nil {
				t.Fatalf("%d datagrams are not read: %v", left, err)
			}
			left -= n
		}
		read <- struct{}{}
	}
}

// TestCloseWaitsForUsers checks that close returns when the socket is no longer
// in use, and that no use starts afterwards.
func TestCloseWaitsForUsers(t *testing.T) {
	testutil.CheckLeaks(t)
	s := openSocket(t, Config{Protocol: protoUserSock})
	closed := make(chan error)
	err := s.gate.hold(func(fd int) {
		go func() { closed <- s.Close() }()
		for s.gate.hold(func(int) {}) == nil { // until Close is at work
			time.Sleep(time.Millisecond)
		}
		select {
		case err := <-closed:
			t.Errorf("Close has returned %v while the socket is used", err)
			go func() { closed <- err }()
		case <-time.After(10 * time.Millisecond):
		}
		if _, err := unix.Getsockname(fd); err != nil {
			t.Errorf("the socket was closed while it is used: %v", err)
		}
	})
	if err := errors.Join(err, <-closed); err != nil {
		t.Error(err)
	}
}
