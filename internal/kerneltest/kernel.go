package kerneltest

import (
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"sync"

	"github.com/ipqueue/ipqueue/internal/sock"
)

// Modules is a set of kernel modules.
type Modules uint8

// Modules of the kernel.
const (
	NFQueue  Modules = 1 << iota // nfnetlink_queue
	IPQueue                      // ip_queue
	IP6Queue                     // ip6_queue
	NoQueue                      // no module: a kernel without any queue
)

// Options describe a kernel. The zero value is a current Linux with nfnetlink_queue
// and a process with all privileges.
type Options struct {
	// Modules are the queues that the kernel has; 0 means NFQueue. If the
	// kernel has ip_queue, ip_queue handles the family: nfnetlink_queue can be
	// bound, but receives no packets of it.
	Modules Modules

	// Autoload makes the kernel load nfnetlink_queue at the first request.
	Autoload bool

	// OtherNamespace puts the process into a network namespace other than the
	// initial one. ip_queue does not exist there, nor nfnetlink_queue before
	// 3.10.
	OtherNamespace bool

	// Linux is the release. The zero Version is 6.18, or 3.4 with ip_queue.
	Linux Version

	// Layout is that of ip_queue's messages. The zero Layout is the one of the
	// system that runs the program.
	Layout Layout

	// Process is the process id, which the first socket gets as its port. 0
	// means 4711, and that the process is the calling one.
	Process uint32

	// Unprivileged means that the process lacks CAP_NET_ADMIN. SetPrivileged
	// changes that.
	Unprivileged bool

	// Ordinary means that the process has no privilege but CAP_NET_ADMIN, so that
	// it may not read the status file of nfnetlink_queue.
	Ordinary bool

	// ReadBuffer is net.core.rmem_default in bytes; 0 means 212992.
	ReadBuffer int

	// ReadBufferMax is net.core.rmem_max in bytes, which sockets cannot
	// exceed. 0 means that they can (SO_RCVBUFFORCE).
	ReadBufferMax int

	// WriteBuffer is the send buffer in bytes of sockets that request no size; 0
	// means 212992. The longest datagram is 32 bytes shorter.
	WriteBuffer int

	// MaxLength is the initial ip_queue_maxlen of both families; 0 means 1024.
	MaxLength int

	// NoConntrack means a kernel without nf_conntrack_netlink, and NoSecmark one
	// without CONFIG_NETWORK_SECMARK. They refuse the flags that need these.
	NoConntrack, NoSecmark bool

	// UserNamespace puts the kernel's network namespace into another user
	// namespace than the initial one.
	UserNamespace bool

	// NoLinks means a kernel before 4.9, whose sockets cannot watch the network
	// interfaces.
	NoLinks bool

	// OnSend, if not nil, is called with each datagram that a socket sends,
	// before the kernel handles it. Sending continues when it returns. It may
	// block and may use the kernel, but must not keep or change the datagram.
	OnSend func(port uint32, datagram []byte)
}

func (o Options) withDefaults() Options {
	o.Modules = or(o.Modules, NFQueue)
	if o.Linux == (Version{}) {
		o.Linux = Version{6, 18}
		if o.Modules&(IPQueue|IP6Queue) != 0 {
			o.Linux = Version{3, 4}
		}
	}
	o.Process = or(o.Process, 4711)
	o.ReadBuffer = or(o.ReadBuffer, 212992)
	o.WriteBuffer = or(o.WriteBuffer, 212992)
	o.MaxLength = or(o.MaxLength, 1024)
	return o
}

func or[T comparable](v, byDefault T) T {
	var zero T
	if v == zero {
		return byDefault
	}
	return v
}

// A Kernel is a kernel in memory. It satisfies sock.Kernel.
type Kernel struct {
	opts Options
	self bool // the process is the calling one

	// mu guards everything below, and all sockets, queues and packets. No
	// goroutine waits while it holds mu.
	mu         sync.Mutex
	privileged bool
	sockets    []*Socket
	rover      uint32 // the last negative port given out
	relays     map[int]relay
	modules    map[int]module
	random     *rand.Rand
	replies    map[Errno]int
	faults     faults
	links      map[uint32]string // names by index
	lookups    int
}

// A module is the kernel side of one netlink protocol. Its methods are called
// with Kernel.mu held. It sends to sockets only through Kernel.unicast and
// Kernel.reply, so a real socket can take the place of a simulated one (UserSocket).
type module interface {
	// receive handles one datagram, in the context of its sender.
	receive(from sender, datagram []byte)
	// released is called when the socket bound to port has been closed.
	released(port uint32)
	// enqueue queues j according to the verdict word of its rule. It returns
	// Pending if the packet waits for a verdict, and otherwise its fate.
	enqueue(j *Journey, word uint32) Fate
	// served reports whether a socket receives the packets of the queue in the
	// verdict word.
	served(word uint32) bool
	// segments reports whether GSO packets are split before they are queued.
	segments(word uint32) bool
	// flush drops the pending packets that match.
	flush(match func(*Journey) bool)
	// pending returns the number of packets that wait for a verdict.
	pending() int
}

// A sender is the socket that a datagram comes from.
type sender struct {
	port       uint32
	privileged bool // holds CAP_NET_ADMIN now
	capAck     bool // has NETLINK_CAP_ACK
}

// A relay sends datagrams to sockets outside of the simulation (UserSocket).
type relay func(port uint32, datagram []byte) bool

var _ sock.Kernel = (*Kernel)(nil)

// New returns a kernel.
func New(o Options) *Kernel {
	k := &Kernel{
		opts:    o.withDefaults(),
		self:    o.Process == 0,
		relays:  make(map[int]relay),
		modules: make(map[int]module),
		rover:   -4096 & math.MaxUint32,
		random:  rand.New(rand.NewPCG(1, 2)),
		replies: make(map[Errno]int),
		links:   make(map[uint32]string),
	}
	k.privileged = !o.Unprivileged
	if k.opts.Modules&NFQueue != 0 {
		k.modules[sock.ProtoNetfilter] = newNFQ(k)
	}
	if k.opts.Modules&IPQueue != 0 {
		k.modules[sock.ProtoFirewall] = newIPQ(k, IPv4)
	}
	if k.opts.Modules&IP6Queue != 0 {
		k.modules[sock.ProtoIP6FW] = newIPQ(k, IPv6)
	}
	return k
}

// Open opens a socket in the process of the kernel's Options.
func (k *Kernel) Open(c sock.Config) (sock.Socket, error) {
	s, err := k.OpenAt(c, 0)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// OpenAt opens a socket with the given port; 0 lets the kernel choose one. It fails
// with EADDRINUSE if the port is taken.
func (k *Kernel) OpenAt(c sock.Config, port uint32) (*Socket, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.modules[c.Protocol] == nil {
		return nil, os.NewSyscallError("socket", errNoProtocol)
	}
	if port == 0 {
		port = k.freePort(c)
	} else if k.socket(c.Protocol, port) != nil {
		return nil, os.NewSyscallError("bind", errAddrInUse)
	}
	return k.add(c, port), nil
}

func (k *Kernel) add(c sock.Config, port uint32) *Socket {
	s := newSocket(k, c, port)
	k.sockets = append(k.sockets, s)
	return s
}

// freePort returns the process id if that port is free. Otherwise it returns the
// next port that a caller who requires a positive one would try, or the port that
// the kernel assigns: a negative number, from -4097 downward, shared by all
// protocols (netlink_autobind).
func (k *Kernel) freePort(c sock.Config) uint32 {
	port := k.opts.Process
	for k.socket(c.Protocol, port) != nil {
		if c.PositivePort {
			port++
		} else {
			k.rover--
			port = k.rover
		}
	}
	return port
}

// Sockets returns the sockets that are open, in the order of opening.
func (k *Kernel) Sockets() []*Socket {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.sockets)
}

// Bound returns the numbers of the queues of nfnetlink_queue that were ever bound, in
// ascending order.
func (k *Kernel) Bound() []uint16 {
	k.mu.Lock()
	defer k.mu.Unlock()
	q, ok := k.modules[sock.ProtoNetfilter].(*nfq)
	if !ok {
		return nil
	}
	return slices.Sorted(maps.Keys(q.bound))
}

// socket returns the open socket of that address, or nil.
func (k *Kernel) socket(protocol int, port uint32) *Socket {
	for _, s := range k.sockets {
		if s.config.Protocol == protocol && s.port == port {
			return s
		}
	}
	return nil
}

// SetPrivileged gives CAP_NET_ADMIN to the process, or removes it. This includes
// sockets that are already open.
func (k *Kernel) SetPrivileged(yes bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.privileged = yes
}

// Replied returns the number of replies with that errno that the kernel has sent,
// including lost ones. An errno of 0 means acknowledgements.
func (k *Kernel) Replied(errno Errno) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.replies[errno]
}

// Pending returns the number of packets that wait for a verdict in all queues.
func (k *Kernel) Pending() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := 0
	for _, m := range k.modules {
		n += m.pending()
	}
	return n
}

// receive passes a datagram to the module of a protocol.
func (k *Kernel) receive(protocol int, from sender, datagram []byte) error {
	m := k.modules[protocol]
	if m == nil || k.opts.OtherNamespace && protocol != sock.ProtoNetfilter {
		return errConnRefused
	}
	m.receive(from, datagram)
	return nil
}

// unheardOf reports whether the process is in a network namespace for which
// nfnetlink_queue does nothing.
func (k *Kernel) unheardOf() bool {
	return k.opts.OtherNamespace && !k.opts.Linux.namespaced()
}

// unicast delivers a datagram to the socket bound to port. It returns false if
// there is no such socket or its receive buffer is full.
func (k *Kernel) unicast(protocol int, port uint32, b []byte) bool {
	if s := k.socket(protocol, port); s != nil {
		return s.deliver(datagram{bytes: b})
	}
	relay := k.relays[protocol]
	return relay != nil && relay(port, b)
}

// deliver is like unicast, for packets: the fault LosePackets can lose them.
func (k *Kernel) deliver(protocol int, port uint32, b []byte) bool {
	if k.faults.lose == 0 {
		return k.unicast(protocol, port, b)
	}
	k.faults.lose--
	if s := k.socket(protocol, port); s != nil {
		s.overrun()
	}
	return false
}

// reply sends an error reply. The faults LoseReplies and HoldReplies can lose it or
// hold it back.
func (k *Kernel) reply(protocol int, port uint32, errno Errno, b []byte) {
	k.replies[errno]++
	if k.faults.loseReplies > 0 {
		k.faults.loseReplies--
		if s := k.socket(protocol, port); s != nil {
			s.overrun()
		}
		return
	}
	if k.faults.holding {
		k.faults.held = append(k.faults.held, func() { k.unicast(protocol, port, b) })
		return
	}
	k.unicast(protocol, port, b)
}
