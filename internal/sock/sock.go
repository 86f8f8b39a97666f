// Package sock contains all system calls of the library: a netlink socket that
// receives and sends datagrams in batches, and files under /proc.
//
// Its interfaces contain no file descriptors, so that a simulated kernel
// (internal/kerneltest) can implement them.
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

// ErrUnsupported is the error of Open on systems without netlink. It matches
// errors.ErrUnsupported.
var ErrUnsupported error = unsupported{}

type unsupported struct{}

func (unsupported) Error() string {
	return fmt.Sprintf("packet queues need Linux, and this is %s/%s", runtime.GOOS, runtime.GOARCH)
}

func (unsupported) Unwrap() error { return errors.ErrUnsupported }

// ErrNetNS is wrapped by the error of Open if Config.NetNS could not be
// entered, together with the errno of setns.
var ErrNetNS = errors.New("sock: network namespace")

// MaxBatch is the largest number of datagrams in one Receive or Send.
const MaxBatch = 64

// A Datagram is a buffer for Receive. The caller sets Buf, and Receive the
// other fields.
type Datagram struct {
	// Buf is the memory to receive into, up to its length. Receive changes its
	// bytes, but not the slice.
	Buf []byte
	// N is the number of bytes received, at most len(Buf).
	N int
	// From is the netlink port of the sender, 0 for the kernel (or, in tests,
	// for the simulated kernel at Config.Port). After some time Receive stops
	// asking for the sender, and From is 0: then only the kernel can send.
	From uint32
	// Truncated reports that the datagram was longer than Buf; its end is lost.
	Truncated bool
}

// A Socket is a netlink socket to one kernel subsystem.
//
// One goroutine at a time may call Receive, and one at a time may call Send or
// Request; both may do so at the same time. The other methods may be called
// from any goroutine.
type Socket interface {
	// Receive receives the datagrams that are in the socket into the first
	// elements of batch, at most MaxBatch, and returns their number. If there
	// are none, it calls idle once. If idle returns false, Receive returns 0,
	// nil. If idle returns true or is nil, Receive waits for a datagram, the
	// read deadline or Close. If there is still nothing to read after the wait,
	// it calls idle again.
	//
	// The error is os.ErrDeadlineExceeded if the deadline has passed, even
	// before the call, os.ErrClosed after Close, or else the errno. ENOBUFS
	// means that the kernel dropped messages; later calls can succeed.
	Receive(batch []Datagram, idle func() bool) (int, error)

	// Send sends each element as one datagram, in order, at most MaxBatch, and
	// returns the number that the kernel accepted. If that is not all of them,
	// the error is the reason why the next one failed. Send does not block. It
	// is for verdicts, which the kernel processes quickly: no other goroutine
	// runs on the processor during the call.
	Send(datagrams [][]byte) (int, error)

	// Request is like Send, but for all other messages. The kernel may take
	// seconds for one of them, for example because it loads a module. Other
	// goroutines run meanwhile, even on a single processor.
	Request(datagrams [][]byte) (int, error)

	// SetReadDeadline makes a waiting Receive, and later ones, return
	// os.ErrDeadlineExceeded when t has passed. The zero time means no
	// deadline.
	SetReadDeadline(t time.Time) error

	// Port is the netlink port the socket is bound to.
	Port() uint32

	// ReadBuffer is the size of the kernel's receive buffer for this socket in
	// bytes, as the kernel accounts it (twice what was asked for).
	ReadBuffer() int

	// Drops returns the number of datagrams, with packets and with answers,
	// that did not fit in the receive buffer. It wraps at 32 bits. Linux before
	// 4.12 does not report it.
	Drops() (uint32, error)

	// Status reads the kernel's status file of this subsystem
	// (/proc/net/netfilter/nfnetlink_queue or /proc/net/ip_queue) in the
	// socket's network namespace, from that offset into b. It returns the
	// number of bytes read, which is less than len(b) only at the end of the
	// file. One goroutine at a time may call it. If the file is read in pieces,
	// it may change in between: a line may then be missing or appear twice.
	//
	// The error matches fs.ErrNotExist if there is no such file, or
	// fs.ErrPermission. The first request of the socket may make the file
	// appear.
	Status(b []byte, offset int64) (int, error)

	// LinkName returns the present name of the network interface with that
	// index in the socket's network namespace.
	LinkName(index uint32) (string, error)

	// InitialUser reports whether the socket's network namespace belongs to the
	// initial user namespace (Linux 4.9).
	InitialUser() (bool, error)

	// Links opens another socket in the same network namespace, which receives
	// a datagram whenever an interface was added, removed, renamed or otherwise
	// changed, and ENOBUFS if it missed some. It requires Linux 4.9, and
	// CAP_SYS_ADMIN if the caller is in another namespace.
	Links() (Socket, error)

	// Close closes the socket and wakes a waiting Receive. Later calls return
	// os.ErrClosed.
	Close() error
}

// ErrClosed is the error of every method of a Socket after Close.
var ErrClosed = os.ErrClosed

// A Config describes the socket to open.
type Config struct {
	// Protocol is the netlink protocol, one of the constants below.
	Protocol int
	// Port is the netlink port of the peer. It is 0, the kernel itself, except
	// in tests with a simulated kernel behind a real socket.
	Port uint32
	// PositivePort binds to a port from 1 to 0x7fffffff, because ip_queue
	// refuses negative ports: the process id or, if that is taken, another one.
	// Without PositivePort, the port is a random negative one.
	PositivePort bool
	// NetNS is a descriptor of the network namespace to open in; 0 is the
	// caller's.
	NetNS int
	// Groups is the set of multicast groups to join, as bits.
	Groups uint32
	// ReadBuffer is the size of the receive buffer to request, in bytes; 0
	// means the default of the system. It can exceed net.core.rmem_max if the
	// caller has the privilege.
	ReadBuffer int
	// WriteBuffer is the same for the send buffer.
	WriteBuffer int
	// NoENOBUFS sets NETLINK_NO_ENOBUFS (Linux 2.6.30), CapAck NETLINK_CAP_ACK
	// (Linux 4.3). They are ignored if the kernel lacks the option.
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

// A Kernel provides what a queue needs from the operating system: sockets, and
// files under /proc. Host returns the running kernel. Tests put another one
// into the context that they pass to queue.Open.
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
	// fs.ErrNotExist if there is no such socket, and fs.ErrPermission if no
	// process was found: only root can see those of other users, and nobody
	// those outside the PID namespace.
	Holder(protocol int, port uint32) (Process, error)
}

// A Process is a process that has a socket open.
type Process struct {
	ID int
	// Self reports whether it is the calling process.
	Self bool
	// Exiting reports whether the process is exiting: the kernel closes its
	// sockets as soon as it has freed its memory.
	Exiting bool
}

type contextKey struct{}

// WithKernel returns a context with which queue.Open uses k instead of the
// running kernel.
func WithKernel(ctx context.Context, k Kernel) context.Context {
	return context.WithValue(ctx, contextKey{}, k)
}

// KernelFrom returns the kernel that WithKernel has put into ctx, otherwise
// that of SetDefault, otherwise the running one.
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

// SetDefault makes KernelFrom call f if the context has no kernel. A nil f ends
// that. Package queuetest uses it for code that creates its own context.
func SetDefault(f func() Kernel) {
	if f == nil {
		defaultKernel.Store(nil)
		return
	}
	defaultKernel.Store(&f)
}
