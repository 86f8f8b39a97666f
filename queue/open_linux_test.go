package queue_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/internal/testutil"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/wire"
)

// A binder binds queues with one socket, and does not read them.
type binder struct {
	testing.TB
	sock  sock.Socket
	seq   uint32
	batch []sock.Datagram
}

func (l *lab) binder() *binder {
	l.Helper()
	s, err := sock.Host().Open(sock.Config{Protocol: sock.ProtoNetfilter, NetNS: l.ns.FD()})
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { s.Close() })
	return &binder{TB: l.TB, sock: s, batch: []sock.Datagram{{Buf: make([]byte, 256)}}}
}

// command gives the kernel a command for a queue, and wants its consent.
func (b *binder) command(number uint16, c wire.ConfigCommand) {
	b.Helper()
	b.seq++
	request := wire.AppendNFQConfig(nil, wire.FlagAck, b.seq, 0, &wire.NFQConfig{Queue: number, Command: c})
	if _, err := b.sock.Request([][]byte{request}); err != nil {
		b.Fatal(err)
	}
	n, err := b.sock.Receive(b.batch, nil)
	if err != nil || n != 1 {
		b.Fatalf("no answer: %v", err)
	}
	var h wire.Header
	body, err := h.Parse(wire.Native(), b.batch[0].Buf[:b.batch[0].N])
	if err != nil {
		b.Fatal(err)
	}
	if e, err := wire.Native().ParseError(h, body); err != nil || e.Errno != 0 {
		b.Fatalf("command %v for queue %d: %v, %v", c, number, syscall.Errno(e.Errno), err)
	}
}

// TestKernelManyQueues opens and closes hundreds of queues in a namespace. Each
// still finds its counters, and the owner of a taken queue is reported.
func TestKernelManyQueues(t *testing.T) {
	l := newLab(t)
	b := l.binder()
	for number := range uint16(700) {
		b.command(number, wire.CommandBind)
	}
	q := l.open(queue.Config{Number: 5000})
	_, err := l.tryOpen(queue.Config{Number: 350})
	wantEPERM(t, err, "queue 350: ", "taken by ", "netlink port ")

	over := make(chan struct{})
	var churn sync.WaitGroup
	churn.Go(func() {
		for number := uint16(0); ; number = (number + 1) % 700 {
			select {
			case <-over:
				return
			default:
			}
			b.command(number, wire.CommandUnbind)
			b.command(number, wire.CommandBind)
		}
	})
	for range 50 {
		if err := q.Stats().Kernel.Err; err != nil {
			t.Error(err)
			break
		}
	}
	close(over)
	churn.Wait()
	if n := testing.AllocsPerRun(20, func() { q.Stats() }); n > 0 {
		t.Errorf("%v allocations for each Stats, want none", n)
	}
}

// A descriptor that is no network namespace, or no descriptor, is named as such.
func TestKernelNetNSWrong(t *testing.T) {
	testutil.RequireKernel(t)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for fd, want := range map[int]struct {
		err  error
		text string
	}{
		int(null.Fd()): {syscall.EINVAL, "set Config.NetNS to an open /run/netns/NAME or /proc/PID/ns/net"},
		1 << 20:        {syscall.EBADF, "1048576 is not one"},
	} {
		_, err := queue.Open(t.Context(), queue.Config{NetNS: fd})
		if !errors.Is(err, want.err) {
			t.Errorf("%v is not %v", err, want.err)
		}
		wantText(t, err, want.text)
	}
}

// TestKernelOrdinaryUser opens a queue with CAP_NET_ADMIN, but not as root. It
// gets its packets, but not the counters of the kernel, and cannot see who owns
// a queue.
func TestKernelOrdinaryUser(t *testing.T) {
	testutil.RequireKernel(t)
	testutil.CheckLeaks(t)
	l := labIn(t, &netns.Namespace{})
	f := l.flow(loopback4)
	l.queueUDP()
	const set = 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID
	withCapabilities(t, set, func() {
		ordinary := becomeOrdinary(t)
		q, err := queue.Open(context.Background(), queue.Config{})
		if err != nil {
			t.Error(err)
			return
		}
		defer q.Close()
		f.number(0, 1)
		for p := range q.All() {
			accept(t, p)
			break
		}
		_, err = queue.Open(context.Background(), queue.Config{})
		if !ordinary { // the test's user is the only one here
			wantText(t, err, "taken by ")
			if err := q.Stats().Kernel.Err; err != nil {
				t.Error(err)
			}
			return
		}
		wantText(t, err, "taken by another socket (root sees whose)")
		wantText(t, q.Stats().Kernel.Err, "permission denied: the counters require root, group root")
	})
	f.wantNumbers(numbers(0, 1))
}

// becomeOrdinary makes the thread look at files as user and group nobody, which
// a user namespace may not have.
func becomeOrdinary(t *testing.T) bool {
	const nobody = 65534
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); errno != 0 && errno != unix.EPERM {
		t.Error(errno)
	}
	_ = unix.Setfsgid(nobody)
	_ = unix.Setfsuid(nobody)
	id, _ := unix.SetfsuidRetUid(-1)
	return id == nobody
}

// wantText checks that the text of an error contains these words.
func wantText(t *testing.T, err error, words string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), words) {
		t.Errorf("%v does not say %q", err, words)
	}
}
