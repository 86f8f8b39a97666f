package queue_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
	"github.com/ipqueue/ipqueue/queue"
)

// A helper is a process started by a test.
type helper struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// startHelper starts one of helpers in the namespace, and waits until it is
// ready.
func startHelper(t testing.TB, ns *netns.Namespace, name string, args ...string) *helper {
	t.Helper()
	h := &helper{t: t, cmd: exec.Command("/proc/self/exe", args...)}
	h.cmd.Env = append(os.Environ(), helperVariable+"="+name,
		"GODEBUG=updatemaxprocs=0",                         // else the runtime reads files of the cgroup, also in a sandbox
		"GORACE="+os.Getenv("GORACE")+" atexit_sleep_ms=0") // else it ends a second late
	in, err := h.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := ns.Do(h.cmd.Start); err != nil {
		t.Fatal(err)
	}
	h.in, h.out = in, bufio.NewReader(out)
	t.Cleanup(h.end)
	if line := h.read(); line != "ready" {
		t.Fatalf("the other process says %q", line)
	}
	return h
}

// end ends the helper, which may already have been stopped or killed. It kills
// a helper that hangs.
func (h *helper) end() {
	defer time.AfterFunc(patience, func() { _ = h.cmd.Process.Kill() }).Stop()
	h.in.Close()
	_ = h.cmd.Process.Signal(syscall.SIGCONT)
	_ = h.cmd.Wait()
}

// read returns the next line that the helper writes.
func (h *helper) read() string {
	h.t.Helper()
	line, err := h.out.ReadString('\n')
	if err != nil {
		h.t.Fatalf("the other process says %q, %v", line, err)
	}
	return strings.TrimSpace(line)
}

// signal sends the helper a signal.
func (h *helper) signal(s os.Signal) {
	h.t.Helper()
	if err := h.cmd.Process.Signal(s); err != nil {
		h.t.Fatal(err)
	}
}

// row returns the columns of a queue's line in the namespace's status file.
func row(t *testing.T, n *netns.Namespace, number int) []string {
	t.Helper()
	var text []byte
	err := n.Do(func() (err error) {
		text, err = os.ReadFile("/proc/thread-self/net/netfilter/nfnetlink_queue")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if columns := strings.Fields(line); columns[0] == fmt.Sprint(number) {
			return columns
		}
	}
	return nil
}

// ownerPort is the netlink port that owns a queue.
func ownerPort(t *testing.T, n *netns.Namespace, number int) (port uint32) {
	t.Helper()
	columns := row(t, n, number)
	if columns == nil {
		t.Fatalf("nobody has queue %d", number)
	}
	if _, err := fmt.Sscan(columns[1], &port); err != nil {
		t.Fatal(err)
	}
	return port
}

// sendNetlink sends a datagram from a socket of the namespace to a port of
// NETLINK_NETFILTER.
func sendNetlink(n *netns.Namespace, port uint32, d []byte) error {
	return n.Do(func() error {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Sendto(fd, d, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: port})
	})
}

// wantEPERM checks that an error explains the reason, and matches the errno and
// the error of the standard library.
func wantEPERM(t *testing.T, err error, texts ...string) {
	t.Helper()
	var op *queue.OpError
	if !errors.Is(err, syscall.EPERM) || !errors.Is(err, fs.ErrPermission) || !errors.As(err, &op) {
		t.Fatalf("%v, want EPERM in an *OpError", err)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q does not say %q", err, text)
		}
	}
}

func TestKernelOwnedBySameProcess(t *testing.T) {
	l := newLab(t)
	f := l.flow(loopback4)
	l.chain(netns.Output, 0, toQueue(65535))
	q := l.open(queue.Config{Number: 65535})
	_, err := l.tryOpen(queue.Config{Number: 65535})
	wantEPERM(t, err, "queue 65535: ", fmt.Sprintf("port %d", ownerPort(t, l.ns, 65535)))
	// The owner does not notice, and other numbers are free.
	l.open(queue.Config{Number: 65534})
	f.number(0, 1)
	accept(t, take(t, q, 1)[0])
	f.wantNumbers(numbers(0, 1))
	settled(t, q)
}

func TestKernelOwnedByAnotherProcess(t *testing.T) {
	testutil.RequireKernel(t)
	testutil.CheckLeaks(t)
	owner := startHelper(t, &netns.Namespace{}, "own").cmd
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", owner.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, err = queue.Open(context.Background(), queue.Config{Number: ownNumber})
	wantEPERM(t, err, fmt.Sprintf("port %d", ownerPort(t, &netns.Namespace{}, ownNumber)),
		fmt.Sprintf("process %d", owner.Process.Pid), strings.TrimSpace(string(comm)))
}

// The queue of a process that dies can be had at once.
func TestKernelOwnerDies(t *testing.T) {
	testutil.RequireKernel(t)
	testutil.CheckLeaks(t)
	owner := startHelper(t, &netns.Namespace{}, "own").cmd
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	q, err := queue.Open(context.Background(), queue.Config{Number: ownNumber})
	if err != nil {
		t.Fatal(err)
	}
	q.Close()
}

// An Open that waits for an owner to die ends with its context.
func TestKernelOpenEndsWithContext(t *testing.T) {
	l := newLab(t)
	l.open(queue.Config{})
	ctx, cancel := context.WithTimeout(l.ctx, time.Millisecond)
	defer cancel()
	l.ctx = ctx
	_, err := l.tryOpen(queue.Config{})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Open = %v, want context.DeadlineExceeded", err)
	}
}

// withoutCapabilities runs f on a thread without any, which ends with it.
func withoutCapabilities(t *testing.T, f func()) {
	t.Helper()
	withCapabilities(t, 0, f)
}

// withCapabilities runs f on a thread with these alone.
func withCapabilities(t *testing.T, set uint32, f func()) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		data := [2]unix.CapUserData{{Effective: set, Permitted: set}}
		err := unix.Capset(&header, &data[0])
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestKernelOpenWithoutCapability(t *testing.T) {
	testutil.RequireKernel(t)
	testutil.CheckLeaks(t)
	withoutCapabilities(t, func() {
		_, err := queue.Open(context.Background(), queue.Config{Number: 3})
		wantEPERM(t, err, "CAP_NET_ADMIN")
	})
}

// TestKernelCapabilityLost checks that a socket that was opened with
// CAP_NET_ADMIN needs it for every verdict.
func TestKernelCapabilityLost(t *testing.T) {
	testutil.RequireKernel(t)
	testutil.CheckLeaks(t)
	l := labIn(t, &netns.Namespace{})
	f := l.flow(loopback4)
	l.queueUDP()
	q := l.open(queue.Config{})
	f.number(0, 1)
	withoutCapabilities(t, func() {
		for p := range q.All() {
			// Alone, it is sent by this thread.
			if err := p.Accept(); err != nil {
				t.Error(err)
			}
		}
	})
	wantEPERM(t, q.Err(), "CAP_NET_ADMIN")
	f.wantNothing()
	if s := q.Stats(); s.Refused != 1 || s.Kernel.LastID != 1 {
		t.Errorf("%d verdicts refused, last id %d, want 1, 1", s.Refused, s.Kernel.LastID)
	}
	// Someone with the capability can have the queue again.
	l.reopen(queue.Config{})
}

// Nothing but CAP_NET_ADMIN is needed, from Open to Close.
func TestKernelLeastPrivilege(t *testing.T) {
	testutil.RequireKernel(t)
	testutil.CheckLeaks(t)
	l := labIn(t, &netns.Namespace{})
	f := l.flow(loopback4)
	l.queueUDP()
	withCapabilities(t, 1<<unix.CAP_NET_ADMIN, func() {
		q, err := queue.Open(context.Background(), queue.Config{Deadline: time.Minute, OnClose: queue.Accept})
		if err != nil {
			t.Error(err)
			return
		}
		defer q.Close()
		f.number(0, 3)
		n := 0
		for p := range q.All() { // each verdict is sent by this thread
			err := p.Replace(p.Payload)
			if errors.Is(err, queue.ErrUnsupported) { // see replace.Require
				err = p.Accept()
			}
			if err != nil {
				t.Error(err)
			}
			if n++; n == 2 {
				break
			}
		}
		if err := q.SetMode(context.Background(), queue.MetaOnly); err != nil {
			t.Error(err)
		}
		if s := q.Stats(); s.Kernel.Err != nil || s.Kernel.LastID != 3 {
			t.Errorf("kernel's row: %v", s.Kernel)
		}
	})
	f.wantNumbers(numbers(0, 3))
}

// A namespace that the caller may not enter.
func TestKernelNetNSWithoutCapability(t *testing.T) {
	l := newLab(t)
	withoutCapabilities(t, func() {
		_, err := queue.Open(l.ctx, queue.Config{NetNS: l.ns.FD()})
		if !errors.Is(err, syscall.EPERM) {
			t.Errorf("Open = %v, want EPERM", err)
		}
	})
}

// A flag that the kernel was built without makes Open fail.
func TestKernelConntrack(t *testing.T) {
	l := newLab(t)
	q, err := l.tryOpen(queue.Config{Conntrack: true})
	if err == nil {
		q.Close()
		testutil.Lacks(t, "no conntrack in packet queues", "Open succeeds")
	}
	if !errors.Is(err, syscall.EOPNOTSUPP) || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Open = %v, want EOPNOTSUPP", err)
	}
	if row(t, l.ns, 0) != nil {
		t.Error("the queue is bound although Open failed")
	}
}

// TestKernelWithoutIPQueue checks the error of Open on a kernel without
// ip_queue.
func TestKernelWithoutIPQueue(t *testing.T) {
	testutil.RequireKernel(t)
	testutil.CheckLeaks(t)
	for family, name := range map[queue.Family]string{queue.IPv4: "ip_queue", queue.IPv6: "ip6_queue"} {
		_, err := queue.Open(context.Background(), queue.Config{Backend: queue.IPQueue, Family: family})
		if !errors.Is(err, syscall.EPROTONOSUPPORT) || !strings.Contains(err.Error(), name) {
			t.Errorf("Open = %v, want EPROTONOSUPPORT and %s", err, name)
		}
	}
}

// TestKernelRow checks that Stats contains the row of the kernel, which shows
// the settings of Open and SetMode.
func TestKernelRow(t *testing.T) {
	l := newLab(t)
	f := l.flow(loopback4)
	l.chain(netns.Output, 0, toQueue(300))
	q := l.open(queue.Config{Number: 300, QueueLength: 8})
	want := func(mode, copied string) {
		t.Helper()
		s := q.Stats().Kernel
		columns := row(t, l.ns, 300)
		for i, column := range []string{
			2: fmt.Sprint(s.Pending), 3: mode, 4: copied,
			5: fmt.Sprint(s.QueueDropped), 6: fmt.Sprint(s.SocketDropped), 7: fmt.Sprint(s.LastID),
		} {
			if column != "" && columns[i] != column {
				t.Errorf("column %d is %s, want %s", i+1, columns[i], column)
			}
		}
	}
	want("2", "65531")
	f.number(0, 12)
	if s := q.Stats().Kernel; s.Pending != 8 || s.QueueDropped != 4 || s.LastID != 8 {
		t.Errorf("%+v, want 8 pending, 4 dropped, last id 8", s)
	}
	want("2", "65531")
	setMode(t, q, queue.MetaOnly)
	want("1", "0")
	setMode(t, q, queue.Range(100))
	want("2", "100")
	setMode(t, q, queue.DropAll)
	want("0", "0")
	setMode(t, q, queue.WholePacket)
	want("2", "65531")
	for _, p := range take(t, q, 8) {
		accept(t, p)
	}
	settled(t, q)
	q.Close()
	if columns := row(t, l.ns, 300); columns != nil {
		t.Errorf("after Close there is still a row: %v", columns)
	}
}

// TestKernelOpenWhileAnotherCloses opens a queue while another one closes. It
// must survive, although the kernel destroys the queues of a port some time
// after other sockets can use the port (net/netlink/af_netlink.c,
// netlink_release).
func TestKernelOpenWhileAnotherCloses(t *testing.T) {
	l := newLab(t)
	for range 100 {
		old := l.open(queue.Config{Number: 1})
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			old.Close()
		}()
		q := l.open(queue.Config{Number: 2})
		<-closed
		if err := q.Stats().Kernel.Err; err != nil {
			t.Fatalf("the queue has gone with another one: %v", err)
		}
		q.Close()
	}
}
