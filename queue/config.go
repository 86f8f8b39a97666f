package queue

import (
	"cmp"
	"fmt"
	"time"

	"github.com/ipqueue/ipqueue/internal/sock"
)

// A Config describes the queue to open. The zero Config opens the queue that
// this kernel has and delivers whole packets. If the kernel's queue cannot
// honour a field, Open fails with ErrUnsupported and the field's name; no field
// is ever ignored.
type Config struct {
	// Backend is the kernel's queue to use. Auto, the zero value, takes
	// whichever one owns the address family (/proc/net/netfilter/nf_queue, Linux
	// to 3.7), else ip_queue where the kernel has it (Linux 2.4 to 3.4), else
	// nfnetlink_queue. If the one it takes cannot honour a field, Open fails,
	// as it does if the other queue owns the family: a queue that can get no
	// packet is not opened.
	Backend Backend

	// Family chooses between the two queues of ip_queue, which has one for
	// IPv4 (the zero value) and one for IPv6. nfnetlink_queue delivers what
	// its rules send, of any family: there it must be left alone.
	Family Family

	// Number is the number of the nfnetlink_queue, the N of "--queue-num N" in
	// iptables and of "queue num N" in nftables. 0 is also where "-j QUEUE"
	// goes. ip_queue has no numbers.
	Number uint16

	// Mode is how much of each packet is copied to the application: all of it
	// (the zero value), nothing but metadata (MetaOnly), or the first n bytes
	// (Range). SetMode changes it later.
	Mode Mode

	// QueueLength is how many packets the kernel holds for a verdict before
	// its queue is full. 0 means 4096 for nfnetlink_queue (at most 65536 are
	// of use); for ip_queue, whose limit is one for the whole machine
	// (net.ipv4.ip_queue_maxlen), 0 leaves it as it is.
	QueueLength int

	// ReadBuffer is the receive buffer to ask the kernel for, in bytes. 0
	// means 2 KiB for each packet of the queue length. More than
	// net.core.rmem_max is granted only with CAP_NET_ADMIN in the initial user
	// namespace; Stats.ReadBuffer is what was granted.
	ReadBuffer int

	// Buffer is the capacity of the channel that Packets returns, in packets.
	// 0 means 64, negative means unbuffered.
	Buffer int

	// MaxUndecided is how many packets the application may hold without a
	// verdict. At that number reading stops until one is decided, and with it
	// everything that depends on reading, for example the end of the stream
	// after the context has ended. Make it larger than QueueLength if all
	// packets may be held. 0 means 65536, the most that nfnetlink_queue ever
	// holds.
	//
	// An idle queue uses less than 256 KiB of memory. A busy one uses at most
	//
	//	256 × R + MaxUndecided × (C + 400 bytes)
	//
	// R is the size of a receive buffer: 68 KiB for whole packets, n + 2 KiB for
	// Range(n), 2 KiB for MetaOnly. C is the longest copy of a packet, rounded
	// up to 256, 768, 1536, 4096 bytes or R. For example, Range(128) with a
	// MaxUndecided of 4096 uses at most 256 × 2176 + 4096 × (256 + 400) bytes,
	// which is 3.2 MB. Memory that a burst needed is freed when the queue has
	// been idle for some time.
	//
	// More than 2^24 means 2^24.
	MaxUndecided int

	// NoGSO makes nfnetlink_queue segment large packets and complete their
	// checksums before it queues them: packets are then no larger than the
	// MTU, and several times slower for bulk TCP. It is for programs that
	// change the length of packets, or replace UDP super-packets or packets of
	// tunnels that end in this host (see Packet.Replace).
	NoGSO bool

	// FailOpen makes nfnetlink_queue accept, rather than drop, packets that
	// it cannot queue because the queue or the socket is full (Linux 3.6).
	FailOpen bool

	// Conntrack adds each packet's connection tracking entry, which
	// Packet.Conntrack decodes (Linux 3.6, needs nf_conntrack_netlink and
	// CONFIG_NETFILTER_NETLINK_GLUE_CT).
	Conntrack bool

	// Owner adds user and group of the local socket that sent the packet
	// (Linux 3.14).
	Owner bool

	// SecurityContext adds the security label of the local socket that sent
	// the packet (Linux 4.3).
	SecurityContext bool

	// WatchDevices has Open begin what the first call of Device.Name would
	// otherwise begin: a socket and a goroutine that are notified of changes to the
	// network interfaces. It is for programs that enter a sandbox after Open.
	// Name then makes no system call but ioctl (Linux 4.13). Where the interfaces
	// cannot be watched (Linux before 4.9, or a NetNS without CAP_SYS_ADMIN) Open
	// fails. ip_queue, which reports names, needs no watch.
	WatchDevices bool

	// NetNS is a descriptor of the network namespace to open the queue in, for
	// example of /run/netns/NAME, which needs CAP_SYS_ADMIN in both namespaces.
	// 0 is the caller's namespace. It may be closed after Open. Before Linux
	// 3.10 queues exist in the initial network namespace only.
	NetNS int

	// WordSize is the number of bits in an unsigned long of a kernel with
	// ip_queue, 32 or 64, which decides how its messages are laid out. 0 finds
	// out by asking it.
	WordSize int

	// Deadline is the longest time a packet may stay undecided before it gets
	// OnDeadline. 0 means no limit: a forgotten packet then stays in the kernel
	// until the queue closes.
	//
	// The time counts from when the kernel queued the packet, and it also ends
	// when the program hangs: while the consumer of the channel or the body of a
	// loop over All does nothing, the queue reads on, as far as MaxUndecided
	// allows, and lets packets expire. A packet that has expired is not handed
	// out. The kernel does not report when it queued a packet. If packets were
	// there before they were read, the queue takes the earliest time that is
	// possible, at most an eighth of Deadline before it read them.
	Deadline time.Duration

	// OnDeadline is the verdict for packets that the application did not
	// decide in time, and for those it cannot be shown because their message
	// is damaged: Drop (also the zero value) or Accept.
	OnDeadline Action

	// WhenFull is the verdict for a packet for which the channel of Packets has
	// no room: Accept or Drop. With the zero value the reader waits instead; the
	// kernel's queue then fills, and the kernel drops, or accepts with FailOpen.
	WhenFull Action

	// OnExpired, if not nil, is called for each packet that got OnDeadline because
	// the application did not decide it in time. p is the packet without its
	// Payload, and without what must be read before the verdict: its conntrack
	// entry, security context and link header. Its verdicts return ErrDecided.
	//
	// OnExpired is called from a goroutine of its own, one call at a time, and may
	// call anything of this package. If 65536 calls wait, further packets are only
	// counted, in Stats.Expired. Without a Deadline it is not called.
	OnExpired func(p Packet)

	// OnClose is the verdict for packets that are undecided when the queue
	// closes: Drop (also the zero value; the kernel does so by itself) or
	// Accept. It is also what becomes of new packets between the end of the
	// context and that moment, at most Grace: with Drop the kernel drops them, also
	// where the rule says bypass; with Accept nfnetlink_queue lets them pass (Linux
	// 3.6), and ip_queue, which cannot, drops them.
	OnClose Action

	// Grace is how long after the end of the context the packets already
	// received may still be decided. 0 means 100 milliseconds, negative means no
	// limit. The queue closes earlier once they all are decided.
	//
	// During Grace new packets get what OnClose says. A program that decides at
	// once needs little of it. One that holds packets, while it asks somebody for
	// example, always needs all of it, and with OnClose Drop loses about as many
	// new packets meanwhile as it saves of those it holds.
	Grace time.Duration

	// TrackAge keeps the arrival time of each packet, so that Stats reports
	// the age of the oldest undecided one. It costs a clock reading for each
	// read from the kernel, and is on whenever Deadline is.
	TrackAge bool

	// OnRefused, if not nil, is called for each verdict that the kernel refused
	// after it had been sent, with the packet's id and an error that unwraps to
	// the errno. ENOENT is ordinary: the kernel had already given the packet up,
	// for example because an interface went down. The calls come one at a time,
	// from a goroutine of their own, and may call anything of this package.
	// Close does not wait for them: calls that are due when the queue closes may
	// still be made after Close has returned. Refusals that did not reach the
	// queue, or for which too many calls wait, are counted in Stats.LostAnswers
	// and Stats.Untold.
	//
	// Without it, equal verdicts for packets in a row are sent as one batch
	// verdict, which is faster, and which the kernel refuses only as a whole.
	OnRefused func(id uint64, err error)
}

// A Backend is one of the kernel's two packet queues.
type Backend uint8

// The kernel's packet queues.
const (
	Auto    Backend = iota // whichever the kernel has
	IPQueue                // ip_queue and ip6_queue, Linux 2.4 to 3.4
	NFQueue                // nfnetlink_queue, Linux 2.6.14 and later
)

func (b Backend) String() string {
	return name(int(b), "Auto", "IPQueue", "NFQueue")
}

// A Family is the protocol family of a packet.
type Family uint8

// Protocol families.
const (
	IPv4   Family = iota
	IPv6          // also the IPv6 queue of ip_queue, in Config
	Bridge        // an Ethernet frame on a bridge; Payload starts behind its link header
	ARP
	OtherFamily
)

func (f Family) String() string {
	return name(int(f), "IPv4", "IPv6", "Bridge", "ARP", "OtherFamily")
}

// A Mode is how much of a packet is copied to the application. A positive
// Mode is a number of bytes counted from the IP header; more than the kernel
// can copy (65535 for ip_queue, 65531 for nfnetlink_queue) means that much.
type Mode int

// Modes besides Range.
const (
	WholePacket Mode = 0  // all of it
	MetaOnly    Mode = -1 // no payload
	// DropAll stops queueing: the kernel drops every further packet. Packets
	// already queued can still be decided.
	DropAll Mode = -2

	noMode Mode = -3 // what Range makes of a length that is none
)

// Range returns the Mode that copies the first n bytes of each packet. Open and
// SetMode refuse it with ErrInvalid if n is less than 1.
func Range(n int) Mode {
	if n < 1 {
		return noMode
	}
	return Mode(n)
}

func (m Mode) String() string {
	switch {
	case m > 0:
		return fmt.Sprintf("Range(%d)", int(m))
	case m == WholePacket:
		return "WholePacket"
	case m == MetaOnly:
		return "MetaOnly"
	case m == DropAll:
		return "DropAll"
	case m == noMode:
		return "Range(less than 1)"
	}
	return fmt.Sprintf("Mode(%d)", int(m))
}

func (m Mode) check() error {
	if m < DropAll {
		return fmt.Errorf("%w: the Mode must be WholePacket, MetaOnly, DropAll or Range(n), not %v", ErrInvalid, m)
	}
	return nil
}

// name returns names[i], or i itself if there is none.
func name(i int, names ...string) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("unknown (%d)", i)
}

// Defaults that Config documents.
const (
	defaultQueueLength  = 4096
	defaultBuffer       = sock.MaxBatch
	defaultMaxUndecided = 65536
	defaultGrace        = 100 * time.Millisecond
	bytesPerPacket      = 2048
)

// Limits beyond which numbers would not fit. The kernel's own for a receive
// buffer is half of the largest int (net/core/sock.c, __sock_set_rcvbuf).
const (
	mostUndecided  = 1 << 24
	mostReadBuffer = 1 << 30
	mostBuffered   = 1 << 24
)

// Balance returns n copies of c with consecutive numbers from c.Number on, for
// OpenGroup. It returns nil, which OpenGroup refuses, if n is less than 1 or a
// number would be greater than 65535.
func (c Config) Balance(n int) []Config {
	if n < 1 || n > 1<<16-int(c.Number) {
		return nil
	}
	list := make([]Config, n)
	for i := range list {
		list[i] = c
		list[i].Number += uint16(i)
	}
	return list
}

// complete checks c and returns it with defaults in place of zero values.
func (c Config) complete() (Config, error) {
	if err := c.check(); err != nil {
		return c, err
	}
	setDefault(&c.Buffer, defaultBuffer)
	c.Buffer = max(c.Buffer, 0)
	setDefault(&c.MaxUndecided, defaultMaxUndecided)
	c.MaxUndecided = min(c.MaxUndecided, mostUndecided)
	c.ReadBuffer = min(c.ReadBuffer, mostReadBuffer)
	setDefault(&c.Grace, defaultGrace)
	setDefault(&c.OnDeadline, Drop)
	setDefault(&c.OnClose, Drop)
	if c.ReadBuffer == 0 {
		length := c.QueueLength
		setDefault(&length, defaultQueueLength)
		c.ReadBuffer = min(length, 1<<16) * bytesPerPacket
	}
	return c, nil
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// check returns what is wrong with the first field that makes no sense.
func (c *Config) check() error {
	return cmp.Or(
		oneOf("Backend", c.Backend, Auto, IPQueue, NFQueue),
		oneOf("Family", c.Family, IPv4, IPv6),
		c.Mode.check(),
		oneOf("WordSize", c.WordSize, 0, 32, 64),
		dropOrAccept("OnDeadline", c.OnDeadline),
		dropOrAccept("WhenFull", c.WhenFull),
		dropOrAccept("OnClose", c.OnClose),
		notNegative("QueueLength", c.QueueLength),
		notNegative("ReadBuffer", c.ReadBuffer),
		notNegative("MaxUndecided", c.MaxUndecided),
		notNegative("NetNS", c.NetNS),
		notNegative("Deadline", c.Deadline),
		atMost("Buffer", c.Buffer, mostBuffered),
	)
}

// A field names one that only one of the two kernel queues can honour.
type field struct {
	name string
	set  bool
}

// refusedByIPQueue returns an error that names the first field that is set and
// that ip_queue cannot honour. NoGSO is none: ip_queue never shows GSO packets.
func (c *Config) refusedByIPQueue() error {
	return refuse("ip_queue", []field{
		{"Number", c.Number != 0},
		{"FailOpen", c.FailOpen},
		{"Conntrack", c.Conntrack},
		{"Owner", c.Owner},
		{"SecurityContext", c.SecurityContext},
	})
}

// refusedByNFQueue is the same for nfnetlink_queue.
func (c *Config) refusedByNFQueue() error {
	return refuse("nfnetlink_queue", []field{
		{"Family", c.Family != IPv4},
		{"WordSize", c.WordSize != 0},
	})
}
