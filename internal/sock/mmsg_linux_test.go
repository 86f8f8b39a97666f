package sock

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/ipqueue/ipqueue/internal/testutil"
)

// A way is the system calls by which a socket receives and sends.
type way struct {
	name string
	take func(*conn)
}

func enosys(uintptr, int) (int, unix.Errno) { return 0, unix.ENOSYS }

// ways are the system calls that receive and send: batches, and their
// replacements on kernels without them.
var ways = []way{
	{"batch", func(*conn) {}},
	{"single", func(s *conn) { s.recv.call, s.send.call = enosys, enosys }},
}

// forEachWay runs the test with a socket that goes each way.
func forEachWay(t *testing.T, c Config, test func(t *testing.T, p *peer)) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			p := newPeer(t, c)
			w.take(p.sock)
			test(t, p)
		})
	}
}

// never is an idle function for tests in which something is to be read.
func never(t *testing.T) func() bool {
	return func() bool {
		t.Error("idle was called")
		return false
	}
}

// stop is an idle function that does not want to wait.
func stop() bool { return false }

// receiveAll calls Receive until it has received n datagrams.
func receiveAll(t *testing.T, s Socket, n, size int) []Datagram {
	t.Helper()
	var all []Datagram
	for len(all) < n {
		batch := newBatch(n-len(all), size)
		got, err := s.Receive(batch, stop)
		if err != nil || got == 0 {
			t.Fatalf("Receive = %d, %v after %d datagrams, want %d", got, err, len(all), n)
		}
		all = append(all, batch[:got]...)
	}
	return all
}

// TestReceiveLengths checks that messages of any length are received without
// rounding.
func TestReceiveLengths(t *testing.T) {
	lengths := []int{1, 2, 3, 4, 5, 15, 16, 17, 73, 1399, 1400, 1401, 4096, 65535, 65536, 69632}
	forEachWay(t, Config{ReadBuffer: 1 << 20}, func(t *testing.T, p *peer) {
		for _, n := range lengths {
			p.send(t, pattern(n))
		}
		for i, d := range receiveAll(t, p.sock, len(lengths), 68<<10) {
			if !bytes.Equal(d.Buf[:d.N], pattern(lengths[i])) {
				t.Errorf("received %d bytes as datagram %d, want the %d sent", d.N, i, lengths[i])
			}
			if d.Truncated || d.From != 0 || len(d.Buf) != 68<<10 {
				t.Errorf("datagram %d: Truncated %t, From %d, len(Buf) %d, want false, 0, %d",
					i, d.Truncated, d.From, len(d.Buf), 68<<10)
			}
		}
	})
}

func TestReceiveTruncated(t *testing.T) {
	forEachWay(t, Config{}, func(t *testing.T, p *peer) {
		lengths := []int{99, 100, 101, 1}
		for _, n := range lengths {
			p.send(t, pattern(n))
		}
		for i, d := range receiveAll(t, p.sock, len(lengths), 100) {
			if want := min(lengths[i], 100); d.N != want || d.Truncated != (lengths[i] > 100) {
				t.Errorf("%d bytes into 100: N = %d, Truncated = %t", lengths[i], d.N, d.Truncated)
			}
			if !bytes.Equal(d.Buf[:d.N], pattern(lengths[i])[:d.N]) {
				t.Errorf("%d bytes into 100: the bytes differ", lengths[i])
			}
		}
	})
}

// Any process may send to a netlink socket, until that is connected. What came
// before shows its port.
func TestReceiveForeign(t *testing.T) {
	for _, port := range []uint32{0, 4242} { // the kernel's, and a peer's
		nl, err := netlink.Dial(protoUserSock, nil)
		if err != nil {
			t.Fatal(err)
		}
		rc, err := nl.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		own, err := boundPort(rc)
		if err != nil {
			t.Fatal(err)
		}
		stranger, from := userSocket(t, 0)
		if err := sendTo(stranger, own, []byte("early")); err != nil {
			t.Fatal(err)
		}
		s, err := newConn(nl, Config{Protocol: protoUserSock, Port: port})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		if err := sendTo(stranger, own, []byte("late")); err != unix.ECONNREFUSED {
			t.Errorf("peer %d: a stranger's datagram: %v, want %v", port, err, unix.ECONNREFUSED)
		}
		if got := receiveAll(t, s, 1, 16)[0]; got.From != from || string(got.Buf[:got.N]) != "early" {
			t.Errorf("peer %d: %q from %d, want \"early\" from %d", port, got.Buf[:got.N], got.From, from)
		}
		if n, err := s.Receive(newBatch(1, 16), stop); n != 0 || err != nil {
			t.Errorf("peer %d: one more came: %d, %v", port, n, err)
		}
	}
}

// TestReceiveUnnamed checks that datagrams of the peer, and no others, are
// received after Receive has stopped asking for senders.
func TestReceiveUnnamed(t *testing.T) {
	p := newPeer(t, Config{})
	for i := range namedCalls + 10 {
		p.send(t, pattern(i%7+1))
		if d := receiveAll(t, p.sock, 1, 16)[0]; d.From != 0 || d.N != i%7+1 || d.Truncated {
			t.Fatalf("datagram %d: %d bytes from %d, truncated %t, want %d bytes from 0", i, d.N, d.From, d.Truncated, i%7+1)
		}
	}
	if r := &p.sock.recv; r.named || r.hdrs[0].hdr.Name != nil {
		t.Errorf("senders are still asked for after %d calls", r.calls)
	}
	stranger, _ := userSocket(t, 0)
	if err := sendTo(stranger, p.sock.Port(), []byte("late")); err != unix.ECONNREFUSED {
		t.Errorf("a stranger's datagram: %v, want %v", err, unix.ECONNREFUSED)
	}
	if n, err := p.sock.Receive(newBatch(1, 16), stop); n != 0 || err != nil {
		t.Errorf("one more came: %d, %v", n, err)
	}
}

func TestReceiverFrom(t *testing.T) {
	for _, test := range []struct {
		name       string
		peer, port uint32
		namelen    uint32
		want       uint32
	}{
		{"kernel", 0, 0, sizeofSockaddrNetlink, 0},
		{"stranger", 0, 7, sizeofSockaddrNetlink, 7},
		{"peer", 7, 7, sizeofSockaddrNetlink, 0},
		{"kernel, not the peer", 7, 0, sizeofSockaddrNetlink, ^uint32(0)},
		{"no address", 0, 0, 0, ^uint32(0)},
	} {
		var r receiver
		r.init(nil, test.peer)
		r.addrs[0].Pid = test.port
		r.hdrs[0].hdr.Namelen = test.namelen
		if got := r.from(0); got != test.want {
			t.Errorf("%s: from = %d, want %d", test.name, got, test.want)
		}
	}
}

func TestReceiveBatch(t *testing.T) {
	const sent = MaxBatch + 10
	p := newPeer(t, Config{ReadBuffer: 1 << 20})
	for i := range sent {
		p.send(t, pattern(i+1))
	}
	batch := newBatch(2*MaxBatch, 128)
	first := 1 // the length of the next datagram
	for _, step := range []struct{ slots, want int }{{5, 5}, {len(batch), MaxBatch}, {len(batch), 5}} {
		n, err := p.sock.Receive(batch[:step.slots], never(t))
		if err != nil || n != step.want {
			t.Fatalf("Receive into %d slots = %d, %v, want %d", step.slots, n, err, step.want)
		}
		for _, d := range batch[:n] {
			if d.N != first {
				t.Errorf("received %d bytes, want %d", d.N, first)
			}
			first++
		}
	}
}

func TestReceiveEmptyBatch(t *testing.T) {
	p := newPeer(t, Config{})
	p.send(t, []byte("waits"))
	if n, err := p.sock.Receive(nil, never(t)); n != 0 || !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("Receive into no slots = %d, %v, want fs.ErrInvalid", n, err)
	}
	receiveAll(t, p.sock, 1, 16)
}

func TestReceiveIdle(t *testing.T) {
	forEachWay(t, Config{}, func(t *testing.T, p *peer) {
		calls := 0
		n, err := p.sock.Receive(newBatch(1, 16), func() bool { calls++; return false })
		if n != 0 || err != nil || calls != 1 {
			t.Errorf("Receive with nothing there = %d, %v after %d calls of idle, want 0, nil, 1", n, err, calls)
		}
		p.send(t, []byte("waits"))
		if n, err = p.sock.Receive(newBatch(1, 16), never(t)); n != 1 || err != nil {
			t.Errorf("Receive with something there = %d, %v, want 1", n, err)
		}
	})
}

// A datagram that comes while idle runs ends the wait.
func TestReceiveWaits(t *testing.T) {
	forEachWay(t, Config{}, func(t *testing.T, p *peer) {
		calls := 0
		n, err := p.sock.Receive(newBatch(1, 16), func() bool {
			calls++
			p.send(t, []byte("late"))
			return true
		})
		if n != 1 || err != nil || calls != 1 {
			t.Errorf("Receive = %d, %v after %d calls of idle, want 1, nil, 1", n, err, calls)
		}
	})
}

func TestReceiveWaitsWithoutIdle(t *testing.T) {
	p := newPeer(t, Config{})
	done := make(chan error)
	go func() {
		n, err := p.sock.Receive(newBatch(1, 16), nil)
		if n != 1 && err == nil {
			err = errors.New("received nothing")
		}
		done <- err
	}()
	p.send(t, []byte("woken"))
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// The poller may wake a reader for nothing: it asks idle again.
func TestReceiveWokenForNothing(t *testing.T) {
	p := newPeer(t, Config{})
	spurious := 3 // two before the first wait, for it looks again once it is to be woken
	real := p.sock.recv.call
	p.sock.recv.call = func(fd uintptr, n int) (int, unix.Errno) {
		if spurious > 0 {
			spurious--
			return 0, unix.EAGAIN
		}
		return real(fd, n)
	}
	calls := 0
	n, err := p.sock.Receive(newBatch(4, 16), func() bool {
		calls++
		p.send(t, []byte("wake up")) // each makes the poller report the socket
		return true
	})
	if n != 2 || err != nil || calls != 2 {
		t.Errorf("Receive = %d, %v after %d calls of idle, want 2, nil, 2", n, err, calls)
	}
}

func TestReceiveDeadline(t *testing.T) {
	p := newPeer(t, Config{})
	past := time.Unix(1, 0)
	wait := func() bool { return true }
	receive := func(idle func() bool) (int, error) { return p.sock.Receive(newBatch(1, 16), idle) }

	p.setDeadline(t, past)
	if _, err := receive(never(t)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Receive after the deadline = %v, want os.ErrDeadlineExceeded", err)
	}
	p.setDeadline(t, time.Now().Add(time.Millisecond))
	if _, err := receive(wait); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Receive until the deadline = %v, want os.ErrDeadlineExceeded", err)
	}
	p.setDeadline(t, time.Now().Add(time.Hour))
	_, err := receive(func() bool { p.setDeadline(t, past); return true })
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Receive with a deadline moved during the wait = %v, want os.ErrDeadlineExceeded", err)
	}
	p.send(t, []byte("waits"))
	if _, err := receive(nil); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Receive of a datagram after the deadline = %v, want os.ErrDeadlineExceeded", err)
	}
	p.setDeadline(t, time.Time{})
	if n, err := receive(never(t)); n != 1 || err != nil {
		t.Errorf("Receive without a deadline = %d, %v, want 1", n, err)
	}
}

func (p *peer) setDeadline(t *testing.T, at time.Time) {
	t.Helper()
	if err := p.sock.SetReadDeadline(at); err != nil {
		t.Fatal(err)
	}
}

// The runtime preempts goroutines with SIGURG, and any signal may interrupt a
// system call.
func TestReceiveDuringSignals(t *testing.T) {
	p := newPeer(t, Config{ReadBuffer: 1 << 20})
	var stop atomic.Bool
	var storm sync.WaitGroup
	storm.Go(func() {
		for !stop.Load() {
			_ = unix.Kill(unix.Getpid(), unix.SIGURG)
			runtime.Gosched()
		}
	})
	defer storm.Wait()
	defer stop.Store(true)
	const rounds = 200
	for i := range rounds {
		p.send(t, pattern(i+1))
		batch := newBatch(1, 256)
		n, err := p.sock.Receive(batch, nil)
		if n != 1 || err != nil || batch[0].N != i+1 {
			t.Fatalf("round %d: Receive = %d, %v, %d bytes", i, n, err, batch[0].N)
		}
		if n, err := p.sock.Send([][]byte{pattern(i + 1)}); n != 1 || err != nil {
			t.Fatalf("round %d: Send = %d, %v", i, n, err)
		}
		p.wantReceived(t, pattern(i+1))
	}
}

// interrupted returns call, preceded by some interruptions.
func interrupted(call func(uintptr, int) (int, unix.Errno)) func(uintptr, int) (int, unix.Errno) {
	interruptions := 3
	return func(fd uintptr, n int) (int, unix.Errno) {
		if interruptions > 0 {
			interruptions--
			return 0, unix.EINTR
		}
		return call(fd, n)
	}
}

func TestInterruptedCallsAreRepeated(t *testing.T) {
	p := newPeer(t, Config{})
	p.sock.recv.call = interrupted(p.sock.recv.call)
	p.sock.send.call = interrupted(p.sock.send.call)
	p.send(t, []byte("there"))
	receiveAll(t, p.sock, 1, 16)
	if n, err := p.sock.Send([][]byte{[]byte("and back")}); n != 1 || err != nil {
		t.Errorf("Send = %d, %v, want 1", n, err)
	}
	p.wantReceived(t, []byte("and back"))
}

func TestSendLengths(t *testing.T) {
	forEachWay(t, Config{WriteBuffer: 1 << 18}, func(t *testing.T, p *peer) {
		p.setReadBuffer(t, 1<<20)
		var datagrams [][]byte
		for _, n := range []int{1, 2, 3, 4, 5, 31, 32, 33, 1499, 1500, 65531, 65579} {
			datagrams = append(datagrams, pattern(n))
		}
		if n, err := p.sock.Send(datagrams); n != len(datagrams) || err != nil {
			t.Fatalf("Send = %d, %v, want %d", n, err, len(datagrams))
		}
		p.wantReceived(t, datagrams...)
	})
}

func (p *peer) setReadBuffer(t *testing.T, n int) {
	t.Helper()
	if err := unix.SetsockoptInt(p.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, n); err != nil {
		t.Fatal(err)
	}
}

func TestSendNothing(t *testing.T) {
	p := newPeer(t, Config{})
	if n, err := p.sock.Send(nil); n != 0 || err != nil {
		t.Errorf("Send(nil) = %d, %v, want 0", n, err)
	}
	p.wantReceived(t)
}

func TestSendTakesMaxBatch(t *testing.T) {
	p := newPeer(t, Config{WriteBuffer: 1 << 20})
	var datagrams [][]byte
	for i := range MaxBatch + 1 {
		datagrams = append(datagrams, pattern(i+1))
	}
	if n, err := p.sock.Send(datagrams); n != MaxBatch || err != nil {
		t.Errorf("Send of %d = %d, %v, want %d", len(datagrams), n, err, MaxBatch)
	}
	p.wantReceived(t, datagrams[:MaxBatch]...)
}

// The datagram that is refused must be known, those before it sent and those
// after it not.
func TestSendRefused(t *testing.T) {
	forEachWay(t, Config{WriteBuffer: 8 << 10}, func(t *testing.T, p *peer) {
		small := [][]byte{pattern(1), pattern(2), pattern(3)}
		large := pattern(64 << 10)
		for refused := range len(small) + 1 {
			datagrams := append(append(append([][]byte(nil), small[:refused]...), large), small[refused:]...)
			n, err := p.sock.Send(datagrams)
			if n != refused || !errors.Is(err, unix.EMSGSIZE) {
				t.Errorf("Send with number %d too large = %d, %v, want %[1]d, EMSGSIZE", refused, n, err)
			}
			p.wantReceived(t, small[:refused]...)
		}
	})
}

// Send must not wait for room at the receiver.
func TestSendDoesNotBlock(t *testing.T) {
	forEachWay(t, Config{}, func(t *testing.T, p *peer) {
		p.setReadBuffer(t, 4<<10)
		datagrams := make([][]byte, MaxBatch)
		for i := range datagrams {
			datagrams[i] = pattern(1024)
		}
		n, err := p.sock.Send(datagrams)
		if n == 0 || n == MaxBatch || !errors.Is(err, unix.EAGAIN) {
			t.Errorf("Send into a full socket = %d, %v, want EAGAIN after some", n, err)
		}
		p.wantReceived(t, datagrams[:n]...)
	})
}

func TestSendToNobody(t *testing.T) {
	const nobody = 1<<31 - 1
	s := openSocket(t, Config{Protocol: protoUserSock, Port: nobody})
	if n, err := s.Send([][]byte{pattern(1)}); n != 0 || !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("Send to a port that is not bound = %d, %v, want ECONNREFUSED", n, err)
	}
}

func TestReceiveAndSendAtOnce(t *testing.T) {
	p := newPeer(t, Config{ReadBuffer: 1 << 20})
	p.setReadBuffer(t, 1<<20)
	granted, err := unix.GetsockoptInt(p.fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	if err != nil {
		t.Fatal(err)
	}
	rounds := min(500, granted/2048, p.sock.ReadBuffer()/2048) // nobody may read meanwhile
	var group sync.WaitGroup
	group.Go(func() {
		for range rounds {
			if n, err := p.sock.Send([][]byte{pattern(8)}); n != 1 || err != nil {
				t.Errorf("Send = %d, %v", n, err)
				return
			}
		}
	})
	group.Go(func() {
		for range rounds {
			if err := sendTo(p.fd, p.sock.Port(), pattern(9)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	batch := newBatch(MaxBatch, 16)
	for received := 0; received < rounds; {
		n, err := p.sock.Receive(batch, nil)
		if err != nil {
			t.Fatal(err)
		}
		received += n
	}
	group.Wait()
}

// TestReceiveOverrun makes the kernel answer messages into a receive buffer
// that is not read.
func TestReceiveOverrun(t *testing.T) {
	s := openSocket(t, Config{Protocol: unix.NETLINK_ROUTE, ReadBuffer: 1})
	const asked = 1000
	if _, err := s.Send([][]byte{bytes.Repeat(pleaseAck, asked)}); err != nil {
		t.Fatal(err)
	}
	batch := newBatch(MaxBatch, 256)
	if n, err := s.Receive(batch, never(t)); n != 0 || !errors.Is(err, unix.ENOBUFS) {
		t.Fatalf("Receive = %d, %v, want ENOBUFS", n, err)
	}
	// Reading goes on with what had its place.
	kept := 0
	for {
		n, err := s.Receive(batch, stop)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		kept += n
	}
	if kept == 0 || kept >= asked {
		t.Errorf("%d of %d answers were kept, want some", kept, asked)
	}
	if _, err := s.Send([][]byte{pleaseAck}); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Receive(batch, never(t)); n != 1 || err != nil || batch[0].From != 0 {
		t.Errorf("Receive after the overrun = %d, %v, From %d, want 1, nil, 0", n, err, batch[0].From)
	}
}

// pleaseAck is NLMSG_NOOP with NLM_F_REQUEST and NLM_F_ACK.
var pleaseAck = nativeHeader(unix.SizeofNlMsghdr, unix.NLMSG_NOOP, unix.NLM_F_REQUEST|unix.NLM_F_ACK)

// With NETLINK_NO_ENOBUFS the same loss is silent.
func TestReceiveOverrunUnreported(t *testing.T) {
	s := openSocket(t, Config{Protocol: unix.NETLINK_ROUTE, ReadBuffer: 1, NoENOBUFS: true})
	if _, err := s.Send([][]byte{bytes.Repeat(pleaseAck, 1000)}); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Receive(newBatch(MaxBatch, 256), never(t)); n == 0 || err != nil {
		t.Errorf("Receive = %d, %v, want some answers", n, err)
	}
}

func TestReceiveAllocates(t *testing.T) {
	testutil.CheckLeaks(t)
	p := newPeer(t, Config{})
	batch := newBatch(2, 128)
	d := pattern(64)
	to := &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: p.sock.Port()}
	wait := func() bool { return false }
	sending := testing.AllocsPerRun(100, func() { _ = unix.Sendto(p.fd, d, 0, to) })
	receiveAll(t, p.sock, 101, 128)
	both := testing.AllocsPerRun(100, func() {
		_ = unix.Sendto(p.fd, d, 0, to)
		if n, err := p.sock.Receive(batch, wait); n != 1 || err != nil {
			t.Errorf("Receive = %d, %v, want 1", n, err)
		}
		if n, err := p.sock.Receive(batch, wait); n != 0 || err != nil {
			t.Errorf("Receive = %d, %v, want 0", n, err)
		}
	})
	if both != sending {
		t.Errorf("Receive allocates %v times, want 0", both-sending)
	}
}

func TestSendAllocates(t *testing.T) {
	p := newPeer(t, Config{})
	b := make([]byte, 128)
	datagrams := [][]byte{pattern(32), pattern(33)}
	allocs := testing.AllocsPerRun(100, func() {
		if n, err := p.sock.Send(datagrams); n != 2 || err != nil {
			t.Errorf("Send = %d, %v, want 2", n, err)
		}
		for range datagrams {
			_, _ = unix.Read(p.fd, b)
		}
	})
	if allocs != 0 {
		t.Errorf("Send allocates %v times, want 0", allocs)
	}
}

// alarm names the environment variable that makes a process the alarm.
const alarm = "IPQUEUE_TEST_ALARM"

// A goroutine that a datagram set going may compute for as long as it likes: it
// must not keep others from the only processor, although what preempts it sleeps
// when it begins.
func TestReceivedWorkLetsOthersRun(t *testing.T) {
	received := 0
	untilAlarm(t, func(p *peer, batch []Datagram) {
		if received < alarms {
			p.receiveOne(t, batch)
			received++
		}
	})
}

// Nor must a goroutine that always finds something to read.
func TestReceiveLetsOthersRun(t *testing.T) {
	untilAlarm(t, func(p *peer, batch []Datagram) {
		p.receiveOne(t, batch)
		p.sendRaw(t)
	})
}

func (p *peer) receiveOne(t *testing.T, batch []Datagram) {
	t.Helper()
	if n, err := p.sock.Receive(batch, nil); n != 1 || err != nil {
		t.Fatalf("Receive = %d, %v", n, err)
	}
}

// untilAlarm repeats step on the only processor until another goroutine, which
// waits in the poller, is over. What it calls must not allocate: the collector
// wakes what preempts.
func untilAlarm(t *testing.T, step func(*peer, []Datagram)) {
	if os.Getenv(alarm) != "" {
		soundAlarm(t)
	}
	p := newPeer(t, Config{})
	over := p.startAlarm(t)
	batch := newBatch(1, 16)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for start := time.Now(); !over.Load(); {
		step(p, batch)
		if time.Since(start) > 20*time.Second {
			t.Fatal("a goroutine with something to read did not run")
		}
	}
}

// startAlarm runs the test in another process. A goroutine sets over when that
// process has written something.
func (p *peer) startAlarm(t *testing.T) (over *atomic.Bool) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	defer w.Close()
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", alarm, p.sock.Port()))
	cmd.Stdout = w
	cmd.ExtraFiles = []*os.File{os.NewFile(uintptr(p.dup(t)), "peer")}
	defer cmd.ExtraFiles[0].Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	over = new(atomic.Bool)
	go func() {
		_, _ = r.Read(make([]byte, 1))
		over.Store(true)
	}()
	return over
}

// alarms is how many datagrams soundAlarm sends.
const alarms = 2

// soundAlarm is the other process. It sends datagrams, pauses so that the
// receiver sleeps again, and when the datagrams have woken the receiver, writes
// a byte to standard output.
func soundAlarm(t *testing.T) {
	port, err := strconv.ParseUint(os.Getenv(alarm), 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	for range alarms {
		if err := sendTo(3, uint32(port), []byte{1}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(beatTime / 2)
	}
	time.Sleep(200 * time.Millisecond)
	fmt.Print("!")
	time.Sleep(time.Minute) // to be killed
}
