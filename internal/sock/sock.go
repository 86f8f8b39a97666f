// Package sock is the one place where the library meets system calls: a
// netlink socket that receives and sends datagrams in batches.
//
// The types here hold no descriptors, so that a kernel made of channels
// (internal/kerneltest) can stand behind the same interface.
package sock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"time"
)

// ErrUnsupported is what Open returns on systems without netlink. It matches
// errors.ErrUnsupported.
var ErrUnsupported error = unsupported{}

type unsupported struct{}

func (unsupported) Error() string {
	return fmt.Sprintf("packet queues need Linux, and this is %s/%s", runtime.GOOS, runtime.GOARCH)
}

func (unsupported) Unwrap() error { return errors.ErrUnsupported }

// ErrNetNS is part of the error of Open if Config.NetNS could not be entered.
// The errno is that of setns.
var ErrNetNS = errors.New("sock: network namespace")

// MaxBatch is the most datagrams one Receive fills or one Send takes.
const MaxBatch = 64

// A Datagram is one receive slot. The caller sets Buf; Receive sets the rest.
type Datagram struct {
	// Buf is the memory to receive into, used up to its length. Receive
	// changes its bytes, never the slice.
	Buf []byte
	// N is the number of bytes received, at most len(Buf).
	N int
	// From is the netlink port of the sender, 0 if that is the kernel (or, in
	// tests, what stands for it at Config.Port). It is 0 as well once the
	// Socket no longer asks, because none but the kernel can have sent.
	From uint32
	// Truncated says that the datagram was longer than Buf; its tail is lost.
	Truncated bool
}

// A Socket is a netlink socket to one kernel subsystem.
//
// One goroutine at a time may call Receive and one at a time may call Send or
// Request; the two do not disturb each other. The other methods may be called
// from anywhere.
type Socket interface {
	// Receive fills slots from the front of batch (at most MaxBatch are used)
	// with the datagrams that are there and returns their number. When there
	// are none it calls idle once: if that returns false Receive returns 0,
	// nil; otherwise it waits for a datagram, the read deadline or Close.
	// A nil idle waits. After the wait idle is called again if there was still
	// nothing to read.
	//
	// Errors: os.ErrDeadlineExceeded, also if the deadline had passed before
	// the call; os.ErrClosed after Close; else the errno, ENOBUFS above all,
	// which says that the kernel dropped messages and that reading goes on.
	Receive(batch []Datagram, idle func() bool) (int, error)

	// Send sends each element as one datagram, in order, at most MaxBatch of
	// them, and returns how many the kernel took. If that is not all of them
	// the error says why the next one failed. Send does not block. It is for
	// verdicts: no other goroutine runs on the processor during the call.
	Send(datagrams [][]byte) (int, error)

	// Request is Send for all other messages. The kernel may take seconds over
	// one of them, because it loads a module first; other goroutines run
	// meanwhile, even if there is only one processor.
	Request(datagrams [][]byte) (int, error)

	// SetReadDeadline makes a waiting Receive, and later ones, return
	// os.ErrDeadlineExceeded once t has passed. The zero time takes it away.
	SetReadDeadline(t time.Time) error

	// Port is the netlink port the socket is bound to.
	Port() uint32

	// ReadBuffer is the size of the kernel's receive buffer for this socket in
	// bytes, as the kernel accounts it (twice what was asked for).
	ReadBuffer() int

	// Drops returns how many datagrams found no room in the receive buffer,
	// packets and answers alike. It wraps at 32 bits. Linux before 4.12 does not
	// tell.
	Drops() (uint32, error)

	// Status reads the kernel's status file of this subsystem
	// (/proc/net/netfilter/nfnetlink_queue or /proc/net/ip_queue), as seen in
	// the socket's network namespace, from that offset into b. It returns the
	// number of bytes read, which is less than len(b) only at the end of the
	// file. One goroutine at a time may call it. The file changes while it is
	// read in pieces: a line may then be missing or come twice.
	//
	// The error matches fs.ErrNotExist while there is no such file, which may
	// appear with the socket's first request, or fs.ErrPermission.
	Status(b []byte, offset int64) (int, error)

	// LinkName returns the name that the network interface of that index has
	// at this moment in the socket's network namespace.
	LinkName(index uint32) (string, error)

	// InitialUser reports whether the socket's network namespace belongs to the
	// initial user namespace (Linux 4.9).
	InitialUser() (bool, error)

	// Links opens another socket in the same network namespace. It receives
	// something whenever an interface there was added, removed or renamed, or
	// changed in another way, and ENOBUFS if it missed some. Linux before 4.9
	// has no way to do that; and it takes CAP_SYS_ADMIN if the caller is in
	// another namespace.
	Links() (Socket, error)

	// Close closes the socket and wakes a waiting Receive. Later calls return
	// os.ErrClosed.
	Close() error
}

// ErrClosed is what every method of a Socket returns after Close.
var ErrClosed = os.ErrClosed

// A Config says which socket to open.
type Config struct {
	// Protocol is the netlink protocol, one of the constants below.
	Protocol int
	// Port is the kernel side's netlink port. It is 0, the kernel itself,
	// except in tests that put a simulated kernel behind a real socket.
	Port uint32
	// PositivePort binds to a port in 1..0x7fffffff, the process id first,
	// others when that is taken, for ip_queue refuses negative ports. Without it
	// the port is a negative one, chosen at random.
	PositivePort bool
	// NetNS is a descriptor of the network namespace to open in; 0 is the
	// caller's.
	NetNS int
	// Groups is the set of multicast groups to join, as bits.
	Groups uint32
	// ReadBuffer is the receive buffer to ask for in bytes; 0 leaves the
	// system's default. The limit net.core.rmem_max is exceeded where the
	// caller may.
	ReadBuffer int
	// WriteBuffer is the same for the send buffer.
	WriteBuffer int
	// NoENOBUFS sets NETLINK_NO_ENOBUFS (Linux 2.6.30), CapAck
	// NETLINK_CAP_ACK (Linux 4.3). A kernel without the option is no error.
	NoENOBUFS, CapAck bool
	// StatusFile is the status file to keep open, relative to /proc/net.
	StatusFile string
}

// Netlink protocols.
const (
	ProtoFirewall  = 3  // NETLINK_FIREWALL: ip_queue
	ProtoNetfilter = 12 // NETLINK_NETFILTER: nfnetlink_queue
	ProtoIP6FW     = 13 // NETLINK_IP6_FW: ip6_queue
)

// A Kernel is what a queue needs of the system below it: sockets, and files
// under /proc. The running kernel is Host(); tests put another one into the
// context given to queue.Open.
type Kernel interface {
	// Open opens a socket. A protocol that the kernel does not have fails
	// with EPROTONOSUPPORT.
	Open(Config) (Socket, error)
	// ReadFile reads the file of that full name.
	ReadFile(name string) ([]byte, error)
	// Glob returns the names of the files that match the pattern, as
	// filepath.Glob does.
	Glob(pattern string) []string
	// WriteFile writes data to the existing file of that full name.
	WriteFile(name string, data []byte) error
	// Holder returns a process that holds the netlink socket of that protocol
	// and port in the caller's network namespace. The error matches
	// fs.ErrNotExist if there is no such socket, and fs.ErrPermission if its
	// process is not in sight: it takes root to see those of other users, and
	// those outside the PID namespace cannot be seen.
	Holder(protocol int, port uint32) (Process, error)
}

// A Process is one that holds a socket.
type Process struct {
	ID int
	// Exiting reports whether the process has begun to exit: it closes the
	// socket as soon as its memory is freed.
	Exiting bool
}

type contextKey struct{}

// WithKernel returns a context in which queue.Open finds k instead of the
// running kernel.
func WithKernel(ctx context.Context, k Kernel) context.Context {
	return context.WithValue(ctx, contextKey{}, k)
}

// KernelFrom returns the kernel that WithKernel put into ctx, else that of
// SetDefault, else the running one.
func KernelFrom(ctx context.Context) Kernel {
	if k, ok := ctx.Value(contextKey{}).(Kernel); ok {
		return k
	}
	if f := defaultKernel.Load(); f != nil {
		return (*f)()
	}
	return Host()
}

// defaultKernel is only ever set in tests.
var defaultKernel atomic.Pointer[func() Kernel]

// SetDefault has KernelFrom call f where a context has no kernel. nil ends that.
// Package queuetest calls it, for code under test that makes its own context.
func SetDefault(f func() Kernel) {
	if f == nil {
		defaultKernel.Store(nil)
		return
	}
	defaultKernel.Store(&f)
}
