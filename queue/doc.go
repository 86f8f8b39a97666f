// Package queue lets a program receive the packets that the Linux kernel queues
// to user space (NFQUEUE, ip_queue), and decide what happens to each of them. A
// packet waits in the kernel until the program gives its verdict: accept it,
// drop it, or accept another packet in its place.
//
//	func serve(ctx context.Context) error {
//		q, err := queue.Open(ctx, queue.Config{})
//		if err != nil {
//			return err
//		}
//		defer q.Close()
//		for p := range q.Packets() {
//			if bad(p) {
//				_ = p.Drop()
//			} else {
//				_ = p.Accept()
//			}
//		}
//		return q.Err()
//	}
//
// A firewall rule sends packets to a queue, for example one of these:
//
//	iptables -A INPUT -p udp --dport 53 -j NFQUEUE --queue-num 0
//	nft add rule inet filter input udp dport 53 queue num 0
//
// If no packets arrive, package [diagnose] reports why.
//
// # Kernels
//
// The kernel has had two kinds of packet queue. nfnetlink_queue (NFQUEUE) has
// existed since Linux 2.6.14. Each network namespace has up to 65536 numbered
// queues, and any process with CAP_NET_ADMIN can open one. ip_queue and
// ip6_queue ("-j QUEUE") existed from Linux 2.4 to 3.4: one queue for IPv4 and
// one for IPv6 on the whole machine. Config.Backend selects the kind; by
// default [Open] uses the one that handles packets of the family. They behave
// the same; features that ip_queue lacks return [ErrUnsupported].
//
// Old kernels have limits that Open cannot remove:
//
//   - Up to Linux 3.7, nfnetlink_queue must be registered for IPv4 and for
//     IPv6. Open does that, unless another module is registered. The
//     registration stays after Close.
//   - Up to Linux 3.9, queues exist in the initial network namespace only.
//   - On Linux 3.4, an IPv6 UDP packet from this host that is larger than the
//     MTU panics the kernel if a rule at Output queues it on the loopback
//     interface. It does so whichever program reads the queue.
//
// # Verdicts
//
// Each packet takes exactly one verdict. Any goroutine may give it, and packets
// may be decided in any order. If several goroutines try, one succeeds and the
// others get [ErrDecided].
//
// A verdict call does not block. The verdict is sent immediately or, if others
// are about to follow, together with them, at most 100 microseconds later. The
// result nil means that the verdict was taken for sending. If the kernel
// refuses it later, for example because the interface went down, Stats counts
// that and Config.OnRefused is called.
//
// [Packet.Accept], [Packet.Drop] and [Packet.Repeat] fail only if the packet no
// longer needs a verdict: it has one, or the queue is closed. Their errors may
// be ignored. [Packet.Decide] and [Packet.Replace] can also refuse the request
// ([ErrInvalid], [ErrTruncated], [ErrUnsupported]). The packet then still waits
// in the kernel: give it another verdict, for example Drop, or set
// Config.Deadline.
//
// # Memory
//
// A [Packet] is a value whose fields stay valid, except for the bytes of
// Payload. Payload and the results of Data, Transport and LinkHeader are memory
// of the queue, which reuses it after the verdict. Copy what must stay valid
// longer, for example with [Packet.Clone]. Call SecurityContext and Conntrack
// before the verdict; their results stay valid afterwards. In steady state the
// queue allocates no memory for a packet.
//
// # Looking at packets
//
// [Packet.Flow] returns the protocol, addresses and ports of a packet,
// [Packet.Transport] the bytes from the transport header on, [Packet.Data]
// those after it, [Packet.IPv4] and [Packet.IPv6] the decoded IP header,
// [Packet.Conntrack] the connection, and [Packet.String] a one-line summary.
// They read the memory of the packet, so call them before the verdict.
//
// # Several queues
//
// [OpenGroup] opens several queues that end together, for example those over
// which a rule spreads packets ([Config.Balance]). Queues share nothing: each
// has its own socket, reader, locks and buffers.
//
// # Back-pressure and loss
//
// While the channel is full, the queue reads no packets. They then wait in the
// kernel, in the socket's receive buffer (Config.ReadBuffer) and in the
// kernel's queue (Config.QueueLength). If either is full, the kernel drops
// packets, or with Config.FailOpen accepts them. [Stats] counts every kind of
// loss separately: Kernel.QueueDropped (kernel's queue full),
// Kernel.SocketDropped and Missed (receive buffer full), Overflowed
// (Config.WhenFull), Expired (Config.Deadline).
//
// Without Config.Deadline, a packet waits for its verdict until the queue
// closes. A packet that the program forgets never arrives, and takes up room in
// the kernel's queue.
//
// # The end
//
// When the context ends, the kernel queues no more packets. The channel of
// [Queue.Packets] delivers the packets that were received, and is then closed.
// They can still be decided for Config.Grace. After that time, or when all are
// decided, the queue closes, and packets without a verdict get Config.OnClose.
// [Queue.Close] does not wait: it closes the queue immediately.
//
// Until the queue closes, it is still bound in the kernel. The kernel drops new
// packets meanwhile, even if the rule contains "bypass". With OnClose Accept,
// nfnetlink_queue lets them pass instead. If a program holds packets for long,
// a shorter Grace, or Close, drops fewer new ones.
//
// If the process dies, the kernel drops the packets that wait in the queue. From
// then on, the rule drops every packet, unless it contains "bypass".
//
// # Changed packets
//
// [Packet.Replace] accepts another packet in place of the original and repairs
// its lengths and checksums. [Packet.ReplaceData] replaces only the data, for
// example of a UDP datagram.
//
// Packets from this host often have no checksum yet ([Packet.ChecksumReady]),
// and with GSO they can be larger than the MTU. A program that only accepts and
// drops packets need not care. Replace needs Config.NoGSO for large UDP
// packets, and for packets of a tunnel that ends in this host.
//
// # Sandboxes
//
// After Open, a program may give up all privileges except CAP_NET_ADMIN, and
// enter a sandbox that permits few system calls. Apart from those of the Go
// runtime, a queue makes these:
//
//	Packets, All      recvmmsg, epoll_ctl
//	verdicts          sendmmsg
//	SetMode           sendmmsg, recvmmsg, epoll_ctl
//	Stats             pread64, getsockopt
//	Device.Name       ioctl
//	Close, or the     sendmmsg, recvmmsg, epoll_ctl, pread64, getsockopt, close
//	end of ctx
//
// The first call of Device.Name also opens a socket, and a goroutine then calls
// recvmmsg and epoll_ctl at any time. With Config.WatchDevices, Open opens that
// socket. If the kernel refuses a request of SetMode because another program
// owns the queue, SetMode reads files in /proc to name that program in the
// error.
//
// # Tests
//
// Package [queuetest] tests programs that use this package, without root and on
// every system.
//
// [diagnose]: https://pkg.go.dev/github.com/ipqueue/ipqueue/queue/diagnose
// [queuetest]: https://pkg.go.dev/github.com/ipqueue/ipqueue/queue/queuetest
package queue
