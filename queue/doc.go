// Package queue delivers packets that the Linux kernel queues to user space
// (NFQUEUE, ip_queue) on a Go channel. Each packet waits in the kernel until it
// gets a verdict: accept it, drop it, or put another packet in its place.
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
// A firewall rule sends packets to a queue, for example
//
//	iptables -A INPUT -p udp --dport 53 -j NFQUEUE --queue-num 0
//	nft add rule inet filter input udp dport 53 queue num 0
//
// If none comes, package diagnose reports why.
//
// # Kernels
//
// The kernel has had two such queues. nfnetlink_queue (NFQUEUE, since Linux
// 2.6.14) is what every kernel of today has: up to 65536 numbered queues in
// each network namespace, served by any process with CAP_NET_ADMIN there.
// ip_queue and ip6_queue (Linux 2.4 to 3.4, "-j QUEUE") were the one queue of
// the machine for IPv4 and for IPv6. Config.Backend chooses; by default Open
// takes the one that has the family's packets. They behave the same; features
// that ip_queue lacks return ErrUnsupported.
//
// On old kernels Open does what is needed and refuses what does not work. Up to
// Linux 3.7 it gives nfnetlink_queue the packets of IPv4 and IPv6 if no other
// module has them; they stay with it after Close. Up to Linux 3.9 queues exist in
// the initial network namespace only. On Linux 3.4, an IPv6 UDP packet of this
// host above the MTU panics the kernel if a rule at Output queues it on the
// loopback interface, whichever program reads the queue.
//
// # Verdicts
//
// Each packet takes exactly one verdict. Any goroutine may give it, in any
// order; of several that try, one succeeds and the others get ErrDecided. A
// verdict call does not wait: verdicts travel to the kernel together if there are
// several, and at once if there is one. nil means that the verdict was taken for
// sending. If the kernel later refuses it, for example because the interface went
// down, Stats counts that and Config.OnRefused is called.
//
// Accept, Drop and Repeat fail only if the packet needs no verdict any more: it
// has one, or the queue is closed. Their errors may be ignored. Decide and Replace
// can refuse what they are asked (ErrInvalid, ErrTruncated, ErrUnsupported). The
// packet then still waits in the kernel: give it another verdict, Drop for
// example, or set Config.Deadline.
//
// # Memory
//
// Packet is a value and its fields stay valid. Payload and LinkHeader are
// memory of the queue, which it uses again after the packet's verdict: copy what
// must live longer, for example with Clone. SecurityContext and Conntrack are
// made of such memory when they are called, before the verdict, and stay valid.
// Nothing is allocated for a packet in steady state.
//
// # Looking at packets
//
// Flow is a packet's protocol and both its ends, Transport the bytes from the
// transport header on, IPv4 and IPv6 its IP header decoded, Conntrack its
// connection, String all of it in a line. They read the payload, and so they
// must be asked before the verdict.
//
// # Several queues
//
// OpenGroup opens several queues with one life, for example those over which a rule
// spreads flows (Config.Balance). Queues share nothing: each has its own socket,
// reader, locks and buffers.
//
// # Back-pressure and loss
//
// A full channel stops the reader. Packets then pile up in the kernel, in the
// socket's receive buffer (Config.ReadBuffer) and in the queue
// (Config.QueueLength), and what does not fit is dropped, or accepted with
// Config.FailOpen. Stats counts the losses separately: Kernel.QueueDropped (queue
// full), Kernel.SocketDropped and Missed (receive buffer full), Overflowed
// (Config.WhenFull), Expired (Config.Deadline). A queue without a reader holds
// its packets for ever: a packet that is forgotten blocks its flow until the
// queue closes, unless Config.Deadline is set.
//
// # The end
//
// When the context ends, the kernel queues no more packets, those that were
// received can still be decided for Config.Grace, and the channel is closed
// after the last of them. Close ends all of this at once. Packets that are
// undecided then get Config.OnClose.
//
// Between the end of the context and the end of Grace the queue is still bound.
// New packets are then dropped, also those of a rule that says "bypass", unless
// OnClose is Accept, with which nfnetlink_queue lets them pass unseen. A program
// that holds packets for long loses fewer by a short Grace, or by Close.
//
// A process that dies leaves nothing behind: the kernel drops its packets, and
// from then on its rules drop every packet they queue, unless they say "bypass".
//
// # Changed packets
//
// Replace repairs lengths and checksums of the payload it is given, and
// ReplaceData those around the data that a UDP datagram, for example, carries.
// Packets made by the host itself often have no checksum yet (ChecksumReady) and
// with GSO they are larger than the MTU; neither matters to a packet that is
// only judged. To replace a packet, both can stand in the way: UDP super-packets,
// and the packets of tunnels that end in this host, are replaced only with
// Config.NoGSO.
//
// # Sandboxes
//
// A program may give up privileges after Open, except CAP_NET_ADMIN, and enter a
// sandbox that permits few system calls. Beside those of the Go runtime a queue
// makes these:
//
//	Packets, All      recvmmsg, epoll_ctl
//	verdicts          sendmmsg
//	SetMode           sendmmsg, recvmmsg, epoll_ctl
//	Stats             pread64, getsockopt
//	Device.Name       ioctl
//	Close, or the     sendmmsg, recvmmsg, epoll_ctl, pread64, getsockopt, close
//	end of ctx
//
// The first Device.Name also opens a socket, unless Config.WatchDevices has Open
// do that; the goroutine that watches devices makes recvmmsg and epoll_ctl at any
// time. If the kernel refuses a request of SetMode because another program owns
// the queue, the error names that program, for which files in /proc are read.
//
// # Tests
//
// Package queuetest has a kernel for the tests of programs that use this one,
// without root and on every system.
package queue
