package sock

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ipqueue/ipqueue/internal/testutil"
)

// nativeHeader is a struct nlmsghdr of sequence number 0 from port 0.
func nativeHeader(length uint32, kind, flags uint16) []byte {
	b := binary.NativeEndian.AppendUint32(nil, length)
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, flags)
	return append(b, 0, 0, 0, 0, 0, 0, 0, 0)
}

func TestOpenUnknownProtocol(t *testing.T) {
	testutil.CheckLeaks(t)
	if _, err := Host().Open(Config{Protocol: 31}); !errors.Is(err, unix.EPROTONOSUPPORT) {
		t.Errorf("Open of a protocol that nobody has = %v, want EPROTONOSUPPORT", err)
	}
}

func TestOpenClosesWhatItOpened(t *testing.T) {
	testutil.CheckLeaks(t)
	for range 10 {
		s, err := Host().Open(Config{Protocol: unix.NETLINK_ROUTE, StatusFile: "dev"})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestSocketIsCloseOnExec(t *testing.T) {
	s := openSocket(t, Config{Protocol: unix.NETLINK_ROUTE, StatusFile: "dev"})
	for name, file := range map[string]*os.File{"socket": s.file, "status file": s.status.file, "gate": s.gate.file} {
		rc, err := file.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if err := rc.Control(func(fd uintptr) {
			flags, err := unix.FcntlInt(fd, unix.F_GETFD, 0)
			if err != nil || flags&unix.FD_CLOEXEC == 0 {
				t.Errorf("%s: descriptor flags %#x, %v, want FD_CLOEXEC", name, flags, err)
			}
		}); err != nil {
			t.Error(err)
		}
	}
}

func TestPort(t *testing.T) {
	for range 3 { // the first may get the process id, the others have negative ones
		p := newPeer(t, Config{})
		if err := sendTo(p.fd, p.sock.Port(), pattern(1)); err != nil {
			t.Errorf("nobody at Port() = %d: %v", p.sock.Port(), err)
		}
	}
}

// Ports are not used again, and not those of processes.
func TestFreshPort(t *testing.T) {
	seen := map[uint32]bool{}
	for range 20 {
		s := openSocket(t, Config{Protocol: protoUserSock})
		if p := s.Port(); seen[p] || int32(p) >= -4096 {
			t.Errorf("port %d, want a negative one below -4096 that was not used before", int32(p))
		}
		seen[s.Port()] = true
		s.Close()
	}
}

func TestPositivePort(t *testing.T) {
	pid := uint32(os.Getpid())
	first := openSocket(t, Config{Protocol: protoUserSock, PositivePort: true})
	if first.Port() != pid {
		t.Errorf("first port %d, want the process id %d", first.Port(), pid)
	}
	seen := map[uint32]bool{pid: true}
	for range 10 {
		s := openSocket(t, Config{Protocol: protoUserSock, PositivePort: true})
		if p := s.Port(); seen[p] || p == 0 || p >= 1<<31 {
			t.Errorf("port %d, want another in 1 to %d", p, 1<<31-1)
		}
		seen[s.Port()] = true
	}
}

// Somebody else, of any user, may hold the port of our process id.
func TestPositivePortTaken(t *testing.T) {
	pid := uint32(os.Getpid())
	userSocket(t, pid)
	s := openSocket(t, Config{Protocol: protoUserSock, PositivePort: true})
	if p := s.Port(); p == pid || p == 0 || p >= 1<<31 {
		t.Errorf("port %d, want another than %d in 1 to %d", p, pid, 1<<31-1)
	}
}

func TestBuffers(t *testing.T) {
	const asked = 64 << 10
	s := openSocket(t, Config{Protocol: protoUserSock, ReadBuffer: asked, WriteBuffer: asked})
	if got := s.ReadBuffer(); got != 2*asked {
		t.Errorf("ReadBuffer() = %d, want twice %d", got, asked)
	}
	if got := s.sockopt(t, unix.SOL_SOCKET, unix.SO_SNDBUF); got != 2*asked {
		t.Errorf("SO_SNDBUF = %d, want twice %d", got, asked)
	}
	// What exceeds the limit is cut to it, unless the caller may exceed it.
	limit := readNumber(t, "/proc/sys/net/core/rmem_max")
	s = openSocket(t, Config{Protocol: protoUserSock, ReadBuffer: 2 * limit})
	if got := s.ReadBuffer(); got != 2*limit && got != 4*limit {
		t.Errorf("ReadBuffer() = %d after asking for %d, want %d or %d", got, 2*limit, 2*limit, 4*limit)
	}
}

func (s *conn) sockopt(t *testing.T, level, option int) (value int) {
	t.Helper()
	err := s.gate.hold(func(fd int) {
		var err error
		if value, err = unix.GetsockoptInt(fd, level, option); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func readNumber(t *testing.T, file string) (n int) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err == nil {
		_, err = fmt.Sscan(string(b), &n)
	}
	if err != nil {
		testutil.Lacks(t, "limits in every network namespace", err) // not before Linux 6.9
	}
	return n
}

func TestOptions(t *testing.T) {
	for _, set := range []bool{false, true} {
		s := openSocket(t, Config{Protocol: protoUserSock, NoENOBUFS: set, CapAck: set})
		want := 0
		if set {
			want = 1
		}
		for name, option := range map[string]int{
			"NETLINK_NO_ENOBUFS": unix.NETLINK_NO_ENOBUFS,
			"NETLINK_CAP_ACK":    unix.NETLINK_CAP_ACK,
		} {
			if got := s.sockopt(t, unix.SOL_NETLINK, option); got != want {
				t.Errorf("%s = %d, want %d", name, got, want)
			}
		}
	}
}

func TestNetNS(t *testing.T) {
	testutil.RequireKernel(t)
	testutil.CheckLeaks(t)
	other := testutil.NewNamespace(t)
	if _, _, err := other.AddVeth("only-here", other, "and-here"); err != nil {
		t.Fatal(err)
	}
	c := Config{Protocol: protoUserSock, PositivePort: true, StatusFile: "dev"}
	here := openSocket(t, c)
	c.NetNS = other.FD()
	there := openSocket(t, c)
	// Each namespace has its own ports.
	if here.Port() != there.Port() {
		t.Errorf("ports %d here and %d there, want the process id for both", here.Port(), there.Port())
	}
	for name, test := range map[string]struct {
		s    Socket
		want bool
	}{"here": {here, false}, "there": {there, true}} {
		b := make([]byte, 4096)
		n, err := test.s.Status(b, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(b[:n]), "only-here"); got != test.want {
			t.Errorf("%s: the status file lists the other namespace's link: %t, want %t", name, got, test.want)
		}
	}
}

// The first thread's namespace shows in the whole process: /proc/self is its.
func TestNetNSLeavesFirstThread(t *testing.T) {
	testutil.RequireKernel(t)
	other := testutil.NewNamespace(t)
	before, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	// While the first thread is free, goroutines may start on it.
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			s, err := Host().Open(Config{Protocol: protoUserSock, NetNS: other.FD()})
			if err != nil {
				t.Error(err)
				return
			}
			_ = s.Close()
		})
	}
	group.Wait()
	if after, err := os.Readlink("/proc/self/ns/net"); after != before {
		t.Errorf("the process moved from %s to %s, %v", before, after, err)
	}
}

// TestOpenInCallersNamespace checks that the namespace is that of the thread
// that calls Open, not of the process.
func TestOpenInCallersNamespace(t *testing.T) {
	testutil.RequireKernel(t)
	other := testutil.NewNamespace(t)
	if _, _, err := other.AddVeth("only-here", other, "and-here"); err != nil {
		t.Fatal(err)
	}
	var s Socket
	err := other.Do(func() (err error) {
		s, err = Host().Open(Config{Protocol: protoUserSock, StatusFile: "dev"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b := make([]byte, 4096)
	if n, err := s.Status(b, 0); err != nil || !strings.Contains(string(b[:n]), "only-here") {
		t.Errorf("status is %q, %v, want that of the thread's namespace", b[:n], err)
	}
}

func TestNetNSNotOne(t *testing.T) {
	testutil.CheckLeaks(t)
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := Host().Open(Config{Protocol: protoUserSock, NetNS: int(file.Fd())}); !errors.Is(err, unix.EINVAL) || !errors.Is(err, ErrNetNS) {
		t.Errorf("Open in a namespace that is none = %v, want EINVAL and ErrNetNS", err)
	}
}

func TestStatus(t *testing.T) {
	s := openSocket(t, Config{Protocol: protoUserSock, StatusFile: "protocols"})
	want, err := os.ReadFile("/proc/thread-self/net/protocols")
	if err != nil {
		t.Fatal(err)
	}
	header, _, _ := strings.Cut(string(want), "\n")
	for range 2 { // it is read from its start each time
		b := make([]byte, 2*len(want))
		n, err := s.Status(b, 0)
		if err != nil || !strings.HasPrefix(string(b[:n]), header+"\n") || !strings.HasSuffix(string(b[:n]), "\n") {
			t.Errorf("Status = %d, %v, %q, want the whole file", n, err, b[:n])
		}
	}
	if n, err := s.Status(make([]byte, 10), 0); n != 10 || err != nil {
		t.Errorf("Status into 10 bytes = %d, %v, want 10", n, err)
	}
}

// TestStatusEmpty checks that a file without rows is not an error.
func TestStatusEmpty(t *testing.T) {
	testutil.RequireKernel(t)
	s := openSocket(t, Config{
		Protocol:   protoUserSock,
		NetNS:      testutil.NewNamespace(t).FD(),
		StatusFile: "netfilter/nfnetlink_queue",
	})
	if n, err := s.Status(make([]byte, 16), 0); n != 0 || err != nil {
		t.Errorf("Status = %d, %v, want 0, nil", n, err)
	}
}

func TestStatusMissing(t *testing.T) {
	for _, name := range []string{"", "no-such-file"} {
		s := openSocket(t, Config{Protocol: protoUserSock, StatusFile: name})
		if _, err := s.Status(make([]byte, 10), 0); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("StatusFile %q: Status = %v, want fs.ErrNotExist", name, err)
		}
	}
}

func TestClose(t *testing.T) {
	testutil.CheckLeaks(t)
	p := newPeer(t, Config{StatusFile: "dev"})
	p.send(t, []byte("unread"))
	if err := p.sock.Close(); err != nil {
		t.Fatalf("Close = %v", err)
	}
	_, receive := p.sock.Receive(newBatch(1, 16), never(t))
	_, send := p.sock.Send([][]byte{pattern(1)})
	_, request := p.sock.Request([][]byte{pattern(1)})
	_, status := p.sock.Status(make([]byte, 16), 0)
	for call, err := range map[string]error{
		"Receive":         receive,
		"Send":            send,
		"Request":         request,
		"Status":          status,
		"SetReadDeadline": p.sock.SetReadDeadline(time.Time{}),
		"Close":           p.sock.Close(),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s after Close = %v, want ErrClosed", call, err)
		}
	}
}

func TestCloseWakesReceive(t *testing.T) {
	testutil.CheckLeaks(t)
	for range 20 {
		p := newPeer(t, Config{})
		waits := make(chan struct{})
		done := make(chan error)
		go func() {
			_, err := p.sock.Receive(newBatch(1, 16), func() bool { close(waits); return true })
			done <- err
		}()
		<-waits
		if err := p.sock.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; !errors.Is(err, ErrClosed) {
			t.Fatalf("Receive = %v, want ErrClosed", err)
		}
	}
}

func TestHostFiles(t *testing.T) {
	name := filepath.Join(t.TempDir(), "setting")
	if err := Host().WriteFile(name, []byte("7")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("WriteFile of a missing file = %v, want fs.ErrNotExist", err)
	}
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Host().WriteFile(name, []byte("7")); err != nil {
		t.Error(err)
	}
	if b, err := Host().ReadFile(name); string(b) != "7" || err != nil {
		t.Errorf("ReadFile = %q, %v, want 7", b, err)
	}
}

// TestDrops checks that Drops counts only messages of the kernel: those of
// other processes are refused. It does not allocate.
func TestDrops(t *testing.T) {
	p := newPeer(t, Config{})
	if n, err := p.sock.Drops(); n != 0 || err != nil {
		t.Fatalf("Drops = %d, %v, want 0, nil", n, err)
	}
	if got := testing.AllocsPerRun(10, func() { _, _ = p.sock.Drops() }); got != 0 {
		t.Errorf("%v allocations, want 0", got)
	}
	if err := p.sock.Close(); err != nil {
		t.Error(err)
	}
	if _, err := p.sock.Drops(); !errors.Is(err, ErrClosed) {
		t.Errorf("Drops after Close: %v, want ErrClosed", err)
	}
}

// TestReleaseWithoutProc covers /proc with an empty file system, for one thread.
func TestReleaseWithoutProc(t *testing.T) {
	testutil.RequireKernel(t)
	want := ReleaseOf(Host())
	if want == (Release{}) {
		t.Fatal("the release is unknown with /proc, too")
	}
	var got Release
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		err := hideProc()
		got = ReleaseOf(Host())
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("without /proc the release is %v, want %v", got, want)
	}
}

// hideProc hides /proc from the calling thread.
func hideProc() error {
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return os.NewSyscallError("mount", err)
	}
	return os.NewSyscallError("mount", unix.Mount("none", "/proc", "tmpfs", 0, ""))
}
