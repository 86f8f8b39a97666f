package kerneltest

import (
	"math"

	"github.com/ipqueue/ipqueue/internal/sock"
)

// From include/linux/netfilter_ipv4/ip_queue.h, Linux 3.4.
const (
	ipqmBase    = 0x10 // IPQM_BASE
	ipqmMode    = 0x11 // IPQM_MODE
	ipqmVerdict = 0x12 // IPQM_VERDICT
	ipqmPacket  = 0x13 // IPQM_PACKET
	ipqmMax     = 0x14 // IPQM_MAX

	ipqCopyNone   = 0 // IPQ_COPY_NONE
	ipqCopyPacket = 2 // IPQ_COPY_PACKET

	ipqMaxRange = 0xffff

	// truncBit is MSG_TRUNC, which the kernel looks for in nlmsg_flags.
	truncBit = 0x20
)

// An ipq is ip_queue or ip6_queue as in Linux 3.4
// (net/ipv4/netfilter/ip_queue.c, net/ipv6/netfilter/ip6_queue.c).
type ipq struct {
	k        *Kernel
	abi      abi
	family   Family
	protocol int
	slab     *slab

	peer      uint32 // port; 0: none
	mode      byte
	copyRange uint32
	waiting   waitlist

	maxLength   uint32 // ip_queue_maxlen
	queueDrops  uint32
	socketDrops uint32
}

func newIPQ(k *Kernel, f Family) *ipq {
	q := &ipq{
		k:         k,
		abi:       k.opts.Layout.abi(),
		family:    f,
		protocol:  sock.ProtoFirewall,
		waiting:   newWaitlist(),
		maxLength: uint32(k.opts.MaxLength),
	}
	if f == IPv6 {
		q.protocol = sock.ProtoIP6FW
	}
	q.slab = newSlab(q.abi, f)
	return q
}

// receive handles the first message of a datagram and ignores the rest
// (__ipq_rcv_skb).
func (q *ipq) receive(from sender, b []byte) {
	h, message, ok := parseMessage(q.abi.order, b)
	if !ok {
		return
	}
	errno := q.checkHeader(h)
	if errno == 0 {
		if h.kind <= ipqmBase {
			return
		}
		errno = q.request(from, h, message[headerLen:])
	}
	if errno != 0 || h.flags&flagAck != 0 {
		q.reply(from, errno, message)
	}
}

func (q *ipq) reply(to sender, errno Errno, message []byte) {
	style := replyStyle{order: q.abi.order}
	q.k.reply(q.protocol, to.port, errno, style.reply(to.port, errno, message))
}

func (q *ipq) checkHeader(h header) Errno {
	switch {
	case h.port == 0 || h.port > math.MaxInt32, h.flags&flagRequest == 0, h.flags&flagMulti != 0:
		return errInval
	case h.flags&truncBit != 0:
		return errComm
	case h.kind == 0 || h.kind >= ipqmMax:
		return errInval
	default:
		return 0
	}
}

// request handles a message with a valid header. If there is no peer yet, a
// privileged sender becomes the peer, even if the rest of the message is invalid.
// The port of the peer is nlmsg_pid, not the port of the sender.
func (q *ipq) request(from sender, h header, body []byte) Errno {
	if !from.privileged {
		return errPerm
	}
	if q.peer != 0 && q.peer != h.port {
		return errBusy
	}
	q.peer = h.port
	if len(body) < q.abi.peer {
		return errInval
	}
	switch h.kind {
	case ipqmMode:
		return q.setMode(body)
	case ipqmVerdict:
		return q.verdict(h, body)
	default:
		return errInval
	}
}

// setMode handles struct ipq_mode_msg {unsigned char value; size_t range}. The
// kernel converts the range to unsigned int, so 2^32 on a 64-bit kernel becomes 0
// (__ipq_set_mode).
func (q *ipq) setMode(body []byte) Errno {
	mode, size := body[0], uint32(q.abi.readLong(body[q.abi.long:]))
	if mode > ipqCopyPacket {
		return errInval
	}
	if mode != ipqCopyPacket {
		size = 0
	}
	q.mode, q.copyRange = mode, min(size, ipqMaxRange)
	return 0
}

// verdict handles struct ipq_verdict_msg {unsigned int value; unsigned long id;
// size_t data_len; unsigned char payload[]} (ipq_set_verdict).
func (q *ipq) verdict(h header, body []byte) Errno {
	if errno := q.k.faults.refuseVerdict(); errno != 0 {
		return errno
	}
	value := q.abi.order.Uint32(body)
	if value > verdictStop || value == verdictStolen {
		return errInval
	}
	e, ok := q.waiting.take(q.abi.readLong(body[q.abi.long:]))
	if !ok {
		return errNoEnt
	}
	e.j.decided(Verdict{Word: value, Seq: h.seq})
	declared, payload := q.abi.readLong(body[2*q.abi.long:]), body[q.abi.peer:]
	if declared != 0 && declared == uint64(len(payload)) && !q.mangle(e.j, payload) {
		e.j.end(Unreplaced)
	} else {
		q.k.proceed(e.j, value)
	}
	q.slab.release(e.id)
	return 0
}

// mangle replaces the packet. It returns false if the packet must be dropped. It
// ignores a replacement shorter than an IP header (ipq_mangle_ipv4,
// ipq_mangle_ipv6).
func (q *ipq) mangle(j *Journey, payload []byte) bool {
	switch n := len(payload); {
	case n < q.minReplacement():
		return true
	case n > len(j.packet().Payload) && n > ipqMaxRange:
		return false
	default:
		j.replace(payload)
		return true
	}
}

func (q *ipq) minReplacement() int {
	if q.family == IPv6 {
		return 40
	}
	return 20
}

// enqueue sends a packet to the peer and ignores the queue number
// (ipq_enqueue_packet). The id is the address of the entry, which is allocated
// first.
func (q *ipq) enqueue(j *Journey, _ uint32) Fate {
	id := q.slab.alloc()
	if fate := q.offer(j, id); fate != Pending {
		q.slab.release(id)
		return fate
	}
	j.queued(id)
	q.waiting.push(entry{id, j})
	return Pending
}

func (q *ipq) offer(j *Journey, id uint64) Fate {
	switch {
	case q.peer == 0:
		return Unheard
	case q.mode == ipqCopyNone:
		return Unwanted
	}
	message := q.appendPacket(nil, j.packet(), id)
	if uint64(q.waiting.len()) >= uint64(q.maxLength) {
		q.queueDrops++
		return QueueFull
	}
	if !q.k.deliver(q.protocol, q.peer, message) {
		q.socketDrops++
		return Undelivered
	}
	return Pending
}

// served is the same for all numbers.
func (q *ipq) served(uint32) bool { return q.peer != 0 && q.mode != ipqCopyNone }

// segments returns true: the kernel splits GSO packets before it calls a handler
// (net/netfilter/nf_queue.c).
func (q *ipq) segments(uint32) bool { return true }

// released resets everything except the counters when the peer's socket is closed
// (ipq_rcv_nl_event).
func (q *ipq) released(port uint32) {
	if port != q.peer {
		return
	}
	q.peer, q.mode, q.copyRange = 0, ipqCopyNone, 0
	q.flush(everything)
}

func (q *ipq) flush(match func(*Journey) bool) {
	for _, e := range q.waiting.takeAll(match) {
		e.j.end(Flushed)
		q.slab.release(e.id)
	}
}

func (q *ipq) pending() int { return q.waiting.len() }
