//go:build amd64 || arm64

package queue_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
	"github.com/ipqueue/ipqueue/queue"
)

func init() { helpers["sandbox"] = sandbox }

// runtimeCalls are the system calls that the Go runtime makes in any running
// program, and what the helper needs to send packets and to report its end.
var runtimeCalls = []uintptr{
	unix.SYS_CLONE, unix.SYS_CLONE3, unix.SYS_EPOLL_PWAIT, unix.SYS_EXIT, unix.SYS_EXIT_GROUP, unix.SYS_FUTEX,
	unix.SYS_GETPID, unix.SYS_GETTID, unix.SYS_MADVISE, unix.SYS_MMAP, unix.SYS_MPROTECT, unix.SYS_MUNMAP,
	unix.SYS_NANOSLEEP, unix.SYS_CLOCK_GETTIME, unix.SYS_PRCTL, unix.SYS_RSEQ, unix.SYS_RT_SIGACTION,
	unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SCHED_GETAFFINITY, unix.SYS_SCHED_YIELD,
	unix.SYS_SET_ROBUST_LIST, unix.SYS_SIGALTSTACK, unix.SYS_TGKILL, unix.SYS_READ, unix.SYS_WRITE,
}

// Those that package queue documents, by method.
var (
	streamCalls  = []uintptr{unix.SYS_RECVMMSG, unix.SYS_EPOLL_CTL}
	verdictCalls = []uintptr{unix.SYS_SENDMMSG}
	statsCalls   = []uintptr{unix.SYS_PREAD64, unix.SYS_GETSOCKOPT}
	nameCalls    = []uintptr{unix.SYS_IOCTL}
	closeCalls   = []uintptr{unix.SYS_RECVMMSG, unix.SYS_EPOLL_CTL, unix.SYS_SENDMMSG, unix.SYS_PREAD64, unix.SYS_GETSOCKOPT, unix.SYS_CLOSE}
)

// A sandboxed is what a program does in a sandbox, and the system calls that it
// needs for it.
type sandboxed struct {
	calls [][]uintptr
	run   func(s *sandboxTest) error
}

// sandboxTests are by method.
var sandboxTests = map[string]sandboxed{
	"Packets": {[][]uintptr{streamCalls, verdictCalls}, func(s *sandboxTest) error {
		packets := s.q.Packets()
		for range 200 {
			s.send()
			s.note((<-packets).Accept())
		}
		return nil
	}},
	"All": {[][]uintptr{streamCalls, verdictCalls}, func(s *sandboxTest) error {
		s.send()
		n := 0
		for p := range s.q.All() {
			err := p.Replace(p.Payload)
			if errors.Is(err, queue.ErrUnsupported) { // see replace.Require
				err = p.Accept()
			}
			if s.note(err); n == 200 {
				return nil
			}
			n++
			s.send()
		}
		return s.q.Err()
	}},
	"reading": {[][]uintptr{streamCalls}, func(s *sandboxTest) error {
		s.send()
		<-s.q.Packets()
		return nil
	}},
	"Deadline": {[][]uintptr{streamCalls, verdictCalls, statsCalls}, func(s *sandboxTest) error {
		s.send()
		s.q.Packets() // reads; the packet may expire before it could be taken
		for s.q.Stats().Expired == 0 {
			time.Sleep(time.Millisecond)
		}
		return nil
	}},
	"SetMode": {[][]uintptr{streamCalls, verdictCalls}, func(s *sandboxTest) error {
		return s.q.SetMode(context.Background(), queue.Range(100))
	}},
	"Stats": {[][]uintptr{streamCalls, statsCalls}, func(s *sandboxTest) error {
		return s.q.Stats().Kernel.Err
	}},
	"Name": {[][]uintptr{streamCalls, nameCalls}, func(s *sandboxTest) error {
		s.send()
		if p := <-s.q.Packets(); p.Out().Index == 0 || p.Out().Name() != "lo" {
			return fmt.Errorf("Out is %v, want lo", p.Out())
		}
		return nil
	}},
	"Close": {[][]uintptr{streamCalls, closeCalls}, func(s *sandboxTest) error {
		s.send()
		<-s.q.Packets()
		return s.q.Close()
	}},
	"Open": {nil, func(s *sandboxTest) error { // of a file, which must not succeed
		_, err := os.Open(os.DevNull)
		return err
	}},
	"cancel": {[][]uintptr{streamCalls, closeCalls}, func(s *sandboxTest) error {
		s.send()
		packets := s.q.Packets()
		p := <-packets
		s.cancel()
		s.note(p.Accept())
		for range packets {
		}
		return s.q.Err()
	}},
}

// A sandboxTest is a queue, and a socket whose packets come to it.
type sandboxTest struct {
	q       *queue.Queue
	cancel  context.CancelFunc
	client  net.Conn
	failure error
}

// send sends a packet to the queue. An earlier packet may have been refused by
// its receiver.
func (s *sandboxTest) send() {
	for {
		if _, err := s.client.Write([]byte("x")); !errors.Is(err, unix.ECONNREFUSED) {
			s.note(err)
			return
		}
	}
}

// note keeps the first error.
func (s *sandboxTest) note(err error) { s.failure = cmp.Or(s.failure, err) }

// sandbox does what its argument names, in a sandbox that allows nothing else.
func sandbox() error {
	test, ok := sandboxTests[os.Args[1]]
	if !ok {
		return fmt.Errorf("no test %q", os.Args[1])
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := queue.Config{Number: ownNumber, WatchDevices: true, OnRefused: func(uint64, error) {}}
	if os.Args[1] == "Deadline" {
		c.Deadline = time.Millisecond
	}
	q, err := queue.Open(ctx, c)
	if err != nil {
		return err
	}
	client, err := net.Dial("udp", "127.0.0.1:9")
	if err != nil {
		return err
	}
	fmt.Println("ready")
	allowed := slices.Concat(append(test.calls, runtimeCalls)...)
	if err := allow(allowed); err != nil {
		fmt.Println(noSandbox, err)
		return nil
	}
	s := &sandboxTest{q: q, cancel: cancel, client: client}
	s.note(test.run(s))
	fmt.Println("failure:", s.failure)
	return nil
}

// noSandbox begins what the helper reports where it may not enter a sandbox.
const noSandbox = "no sandbox:"

// allow makes the kernel kill the process at any system call that is not in the
// list.
func allow(calls []uintptr) error {
	const load, equal, end = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	program := []unix.SockFilter{{Code: load}} // the number, at the start of struct seccomp_data
	for _, call := range calls {
		program = append(program,
			unix.SockFilter{Code: equal, Jf: 1, K: uint32(call)},
			unix.SockFilter{Code: end, K: unix.SECCOMP_RET_ALLOW})
	}
	program = append(program, unix.SockFilter{Code: end, K: unix.SECCOMP_RET_TRAP})
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	p := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&p)))
	if errno != 0 {
		return errno
	}
	return nil
}

// After Open a queue makes no system calls but those that the package
// documents.
func TestKernelSandbox(t *testing.T) {
	for name := range sandboxTests {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.chain(netns.Output, 0, toQueue(ownNumber))
			h := startHelper(t, l.ns, "sandbox", name)
			got, err := h.out.ReadString('\n')
			switch {
			case strings.HasPrefix(got, noSandbox):
				testutil.Lacks(t, "seccomp for all threads", got) // SECCOMP_FILTER_FLAG_TSYNC, Linux 3.17
			case name == "Open" && err == nil:
				t.Errorf("a system call that is not allowed was made: %s", got)
			case name != "Open" && got != "failure: <nil>\n":
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}
