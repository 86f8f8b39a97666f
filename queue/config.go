package queue

import (
	"cmp"
	"fmt"
	"time"

	"github.com/ipqueue/ipqueue/internal/sock"
)

// A Config describes the queue to open. The zero Config opens the queue that
// this kernel has, and copies whole packets. If the kernel's queue cannot honour
// a field, Open does not ignore it, but fails with ErrUnsupported and the name
// of the field.
type Config struct {
	// Backend selects the kind of kernel queue. Auto, the zero value, uses the
	// one that handles the packets of the family (/proc/net/netfilter/nf_queue,
	// up to Linux 3.7); otherwise ip_queue if the kernel has it (Linux 2.4 to
	// 3.4), otherwise nfnetlink_queue. Open fails if another module handles the
	// packets of the family, because the queue would get none.
	Backend Backend

	// Family selects the queue of ip_queue for IPv4 (the zero value) or IPv6.
	// It must be zero for nfnetlink_queue, which delivers packets of all
	// families.
	Family Family

	// Number is the number of the nfnetlink_queue: N in "--queue-num N" of
	// iptables and in "queue num N" of nftables. "-j QUEUE" sends to queue 0.
	// ip_queue has no numbers.
	Number uint16

	// Mode is how much of each packet the kernel copies to the program: all of
	// it (the zero value), no bytes but only metadata (MetaOnly), or the first
	// n bytes (Range). Queue.SetMode changes it later.
	Mode Mode

	// QueueLength is the number of packets that may wait for a verdict in the
	// kernel; then its queue is full. For nfnetlink_queue, 0 means 4096, and
	// more than 65536 has no effect. For ip_queue, it sets the limit of the
	// whole machine (net.ipv4.ip_queue_maxlen), which requires root, and 0
	// leaves that unchanged.
	QueueLength int

	// ReadBuffer is the size in bytes to request for the socket's receive
	// buffer. 0 means 2 KiB for each packet of the queue length. The kernel
	// grants more than net.core.rmem_max only with CAP_NET_ADMIN in the initial
	// user namespace. Stats.ReadBuffer is the size granted.
	ReadBuffer int

	// Buffer is the capacity, in packets, of the channel that Queue.Packets
	// returns. 0 means 64. A negative Buffer means an unbuffered channel. From
	// the first call of Packets on, the channel takes up 128 bytes for each
	// packet of its capacity, or 144 with Deadline, also if the queue is idle.
	Buffer int

	// MaxUndecided is the number of packets that the program may hold without a
	// verdict. At that number the queue stops reading until one is decided.
	// Nothing that depends on reading happens meanwhile: for example, the
	// stream does not end after the end of the context. If the program may hold
	// all packets, make MaxUndecided larger than QueueLength. If it is less,
	// packets may wait longer than Deadline. 0 means 65536, which is the most
	// that nfnetlink_queue can hold. More than 2^24 means 2^24.
	//
	// Beside the channel (see Buffer), an idle queue uses less than 256 KiB of
	// memory. A busy one uses at most
	//
	//	256 × R + MaxUndecided × (C + 400 bytes, or 600 with OnExpired)
	//
	// R is the size of a receive buffer: 68 KiB for whole packets, n + 2 KiB
	// for Range(n), 2 KiB for MetaOnly. C is the longest copy of a packet,
	// rounded up to 256, 768, 1536, 4096 bytes or R. For example, with
	// Range(128) and a MaxUndecided of 4096 the maximum is 256 × 2176 + 4096 ×
	// (256 + 400) bytes, which is 3.2 MB. A packet that the program replaces
	// also takes up the length of its replacement. If the queue has been idle
	// for some time, it frees the memory that a burst needed.
	MaxUndecided int

	// NoGSO makes nfnetlink_queue split large packets into segments, and
	// complete their checksums, before it queues them. Packets are then no
	// larger than the MTU, but bulk TCP is several times slower. NoGSO is for
	// programs that change the length of packets, or that replace large UDP
	// packets or packets of tunnels that end in this host (see Packet.Replace).
	//
	// All segments of a packet are queued at the same moment, so the receive
	// buffer must have room for them. On the loopback interface, whose MTU is
	// 65536, a segment takes about 64 KiB: if Stats.ReadBuffer is 212992, only
	// three fit. The kernel drops the others, and TCP stalls. To avoid that, set
	// a larger ReadBuffer, a smaller MTU or, if the program needs only the
	// headers, Mode Range. With that MTU, packets of more than 65531 bytes are
	// Truncated, so Replace refuses them with ErrTruncated.
	NoGSO bool

	// FailOpen makes nfnetlink_queue accept packets that it cannot queue
	// because the queue or the receive buffer is full, instead of dropping them
	// (Linux 3.6).
	FailOpen bool

	// Conntrack makes the kernel send the connection tracking entry of each
	// packet, for Packet.Conntrack and Verdict.Conntrack. It requires Linux
	// 3.6, nf_conntrack_netlink and CONFIG_NETFILTER_NETLINK_GLUE_CT.
	//
	// Conntrack does not make the kernel track connections. It tracks those of
	// a network namespace only if a rule there needs that, for example one with
	// "ct state" or NAT. Without such a rule no packet has an entry.
	Conntrack bool

	// Owner makes the kernel send the user and group of the local socket that
	// sent the packet, for Packet.UID and Packet.GID (Linux 3.14).
	Owner bool

	// SecurityContext makes the kernel send the security label that a rule
	// (SECMARK) gave to a packet of a local socket, for Packet.SecurityContext
	// (Linux 4.3).
	SecurityContext bool

	// WatchDevices makes Open start what the first call of Device.Name starts
	// otherwise: a socket and a goroutine that receive changes of network
	// interfaces. It is for programs that enter a sandbox after Open: the only
	// system call that Name then makes is ioctl (Linux 4.13). Open fails if
	// interfaces cannot be watched: before Linux 4.9, and in a NetNS without
	// CAP_SYS_ADMIN. WatchDevices has no effect on ip_queue, which reports
	// names.
	WatchDevices bool

	// NetNS is the file descriptor of the network namespace to open the queue
	// in, for example of /run/netns/NAME. 0 means the namespace of the caller.
	// It requires CAP_SYS_ADMIN in both namespaces. The descriptor may be
	// closed after Open. Before Linux 3.10, queues exist in the initial network
	// namespace only.
	NetNS int

	// WordSize is the number of bits in an unsigned long of a kernel with
	// ip_queue, 32 or 64. It determines the layout of its messages. With 0,
	// Open asks the kernel.
	WordSize int

	// Deadline is the longest time that a packet may wait for its verdict
	// before the queue gives it OnDeadline. 0 means no limit: a forgotten
	// packet stays in the kernel until the queue closes.
	//
	// The time counts from when the kernel queued the packet. Deadline also
	// works if the program hangs: while no packet is taken from the channel, or
	// the body of a loop over All does not return, the queue still reads
	// packets, as far as MaxUndecided allows, and lets them expire. It does not
	// deliver packets that have expired. A packet that expires after its
	// delivery keeps its Payload; its verdicts return ErrDecided.
	//
	// The kernel does not report when it queued a packet. If packets were
	// waiting to be read, the queue assumes the earliest possible time. So a
	// packet may expire early, by at most an eighth of Deadline, or 2 ms if
	// that is more.
	//
	// If MaxUndecided is less than QueueLength, packets may have to wait before
	// the queue reads them, and only then does their time begin. A packet may
	// then wait for Deadline × QueueLength / MaxUndecided, with the quotient
	// rounded up.
	Deadline time.Duration

	// OnDeadline is the verdict for packets that expire, and for packets that
	// the queue cannot deliver because their message is damaged. It is Drop
	// (the zero value means Drop) or Accept.
	OnDeadline Action

	// WhenFull is the verdict, Accept or Drop, for a packet that finds the
	// channel of Packets full. With the zero value the queue waits instead. The
	// kernel's queue then fills, and the kernel drops packets or, with
	// FailOpen, accepts them. WhenFull has no effect on All.
	WhenFull Action

	// OnExpired, if not nil, is called for each packet that expired (see
	// Deadline). p has no Payload, conntrack entry, security context and link
	// header. Its verdicts return ErrDecided.
	//
	// The calls for one queue come one at a time, from a separate goroutine,
	// and may call anything in this package. Close does not wait for them: some
	// may come after Close has returned. While 65536 calls wait, more packets
	// are only counted, in Stats.Expired and Stats.CallsSkipped.
	OnExpired func(p Packet)

	// OnClose is the verdict for packets that are undecided when the queue
	// closes: Drop (the zero value means Drop) or Accept. It also applies to
	// new packets between the end of the context and that moment. With Drop,
	// the kernel drops them even if the rule contains "bypass". With Accept,
	// nfnetlink_queue lets them pass (Linux 3.6), but ip_queue cannot and drops
	// them.
	OnClose Action

	// Grace is how long packets already received can still be decided after the
	// end of the context. 0 means 100 milliseconds, and a negative Grace means
	// no limit. The queue closes earlier if all are decided.
	//
	// New packets get OnClose during that time. A program that decides
	// immediately needs little Grace. A program that holds packets, for example
	// while it asks a user, always uses all of it. With OnClose Drop it then
	// loses about as many new packets as it saves of those that it holds.
	Grace time.Duration

	// TrackAge makes the queue record the arrival time of each packet, for
	// Packet.Age and Stats.OldestUndecided. It costs one reading of the clock
	// for each read from the kernel. Deadline includes it.
	TrackAge bool

	// OnRefused, if not nil, is called for each verdict that the kernel refused
	// after it was sent, with the id of the packet and an error that wraps the
	// errno. ENOENT is common: the kernel no longer had the packet, for example
	// because an interface went down.
	//
	// The calls for one queue come one at a time, from a separate goroutine,
	// and may call anything in this package. Close does not wait for them: some
	// may come after Close has returned. Stats.LostAnswers counts refusals that
	// did not reach the queue, and Stats.CallsSkipped those that were left out
	// because 65536 calls waited.
	//
	// Without OnRefused, the queue sends one batch verdict for consecutive
	// packets with the same verdict, which is faster. The kernel reports a
	// refusal of a batch only if it refuses the whole batch.
	OnRefused func(id uint64, err error)
}

// A Backend is a kind of kernel packet queue.
type Backend uint8

// The kinds of kernel packet queue.
const (
	Auto    Backend = iota // selected by Open: see Config.Backend
	IPQueue                // ip_queue and ip6_queue, Linux 2.4 to 3.4
	NFQueue                // nfnetlink_queue, Linux 2.6.14 and later
)

// String returns the name of the constant.
func (b Backend) String() string {
	return name("Backend", uint8(b), "Auto", "IPQueue", "NFQueue")
}

// A Family is a protocol family.
type Family uint8

// The protocol families. Config.Family can be IPv4 or IPv6.
const (
	IPv4 Family = iota
	IPv6
	Bridge // an Ethernet frame on a bridge; Payload starts after the link header
	ARP
	OtherFamily // any other family
)

// String returns the name of the constant.
func (f Family) String() string {
	return name("Family", uint8(f), "IPv4", "IPv6", "Bridge", "ARP", "OtherFamily")
}

// A Mode is how much of each packet the kernel copies to the program. A
// positive Mode is a number of bytes, counted from the start of the IP header.
// If it is more than the kernel can copy (65535 bytes for ip_queue, 65531 for
// nfnetlink_queue), it means that maximum.
type Mode int

// The modes other than Range.
const (
	WholePacket Mode = 0  // the whole packet
	MetaOnly    Mode = -1 // only metadata, no bytes of the packet
	// DropAll makes the kernel drop all new packets instead of queueing them.
	// Packets already queued can still be decided.
	DropAll Mode = -2

	noMode Mode = -3 // the result of Range for an invalid length
)

// Range returns the Mode that copies the first n bytes of each packet. If n is
// less than 1, Open and SetMode refuse the Mode with ErrInvalid.
func Range(n int) Mode {
	if n < 1 {
		return noMode
	}
	return Mode(n)
}

// String returns the name of the constant, or for example "Range(128)".
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

// name returns names[v], or a text such as "Hook(9)" if there is no such name.
func name(typ string, v uint8, names ...string) string {
	if int(v) < len(names) && names[v] != "" {
		return names[v]
	}
	return fmt.Sprintf("%s(%d)", typ, v)
}

// The defaults that Config documents.
const (
	defaultQueueLength  = 4096
	defaultBuffer       = sock.MaxBatch
	defaultMaxUndecided = 65536
	defaultGrace        = 100 * time.Millisecond
	bytesPerPacket      = 2048
)

// Limits that prevent overflows. The kernel's own limit for a receive buffer is
// half of the largest int (net/core/sock.c, __sock_set_rcvbuf).
const (
	mostUndecided  = 1 << 24
	mostReadBuffer = 1 << 30
	mostBuffered   = 1 << 24
)

// Balance returns n copies of c with consecutive numbers, starting with
// c.Number, for OpenGroup. It returns nil, which OpenGroup refuses, if n is
// less than 1 or a number would exceed 65535.
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

// complete checks c and returns a copy with defaults in place of zero values.
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

// check returns an error for the first field with an invalid value.
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

// A field is a field of a struct, and whether it is set.
type field struct {
	name string
	set  bool
}

// refusedByIPQueue returns an error that names the first field that is set and
// that ip_queue cannot honour. NoGSO is not among them, because ip_queue never
// delivers GSO packets.
func (c *Config) refusedByIPQueue() error {
	return refuse("ip_queue", []field{
		{"Number", c.Number != 0},
		{"FailOpen", c.FailOpen},
		{"Conntrack", c.Conntrack},
		{"Owner", c.Owner},
		{"SecurityContext", c.SecurityContext},
	})
}

// refusedByNFQueue is like refusedByIPQueue, but for nfnetlink_queue.
func (c *Config) refusedByNFQueue() error {
	return refuse("nfnetlink_queue", []field{
		{"Family", c.Family != IPv4},
		{"WordSize", c.WordSize != 0},
	})
}
