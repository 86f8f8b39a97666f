package kerneltest

import (
	"math"

	"github.com/ipqueue/ipqueue/internal/sock"
)

// From include/uapi/linux/netfilter/nfnetlink.h and nfnetlink_queue.h.
const (
	nfgenLen = 4 // struct nfgenmsg

	nfnlBatchBegin = 0x10   // NFNL_MSG_BATCH_BEGIN
	nfqPacket      = 0x0300 // NFNL_SUBSYS_QUEUE<<8 | NFQNL_MSG_PACKET
	nfqVerdict     = 0x0301 // NFQNL_MSG_VERDICT
	nfqConfig      = 0x0302 // NFQNL_MSG_CONFIG
	nfqBatch       = 0x0303 // NFQNL_MSG_VERDICT_BATCH

	nfqCopyNone   = 0 // NFQNL_COPY_NONE
	nfqCopyMeta   = 1 // NFQNL_COPY_META
	nfqCopyPacket = 2 // NFQNL_COPY_PACKET

	// nfqMaxRange is the most that fits into one attribute (NFQNL_MAX_COPY_RANGE).
	nfqMaxRange = math.MaxUint16 - attrHeaderLen

	nfqMaxLength = 1024  // NFQNL_QMAX_DEFAULT
	nfqHashLimit = 65536 // entries of the hash table of pending packets
)

// An nfq is nfnetlink_queue of one network namespace
// (net/netfilter/nfnetlink_queue.c), with the part of nfnetlink.c that
// dispatches to it.
type nfq struct {
	k      *Kernel
	queues map[uint16]*nfqQueue
	bound  map[uint16]bool // numbers that were ever bound
	gone   bool            // the module has been unloaded; nfnetlink is still there
	absent bool            // the module is not loaded yet

	families map[Family]bool // for which PF_BIND was called
}

func newNFQ(k *Kernel) *nfq {
	return &nfq{
		k:        k,
		queues:   make(map[uint16]*nfqQueue),
		bound:    make(map[uint16]bool),
		absent:   k.opts.Autoload,
		families: make(map[Family]bool),
	}
}

// receive handles all messages of a datagram (nfnetlink_rcv).
func (q *nfq) receive(from sender, b []byte) {
	h, message, ok := parseMessage(native, b)
	switch {
	case !ok:
	case !from.privileged:
		q.reply(from, errPerm, message)
	case h.kind == nfnlBatchBegin:
		q.transaction(from, message)
	default:
		q.receiveAll(from, b)
	}
}

// transaction refuses a batch of another subsystem and all messages after it
// (nfnetlink_rcv_skb_batch).
func (q *nfq) transaction(from sender, message []byte) {
	if len(message) >= headerLen+nfgenLen {
		q.reply(from, errOpNotSupp, message)
	}
}

// receiveAll handles messages one by one until one does not fit
// (netlink_rcv_skb).
func (q *nfq) receiveAll(from sender, b []byte) {
	for {
		h, message, ok := parseMessage(native, b)
		if !ok {
			return
		}
		var errno Errno
		if h.flags&flagRequest != 0 && h.kind >= typeMinimum {
			errno = q.dispatch(from, h, message[headerLen:])
		}
		if errno != 0 || h.flags&flagAck != 0 {
			q.reply(from, errno, message)
		}
		b = b[min(align(len(message)), len(b)):]
	}
}

func (q *nfq) reply(to sender, errno Errno, message []byte) {
	linux := q.k.opts.Linux
	style := replyStyle{
		order:   native,
		capped:  to.capAck,
		flagged: linux.flagsCapped(),
		rounded: linux.roundsReplies(),
	}
	q.k.reply(sock.ProtoNetfilter, to.port, errno, style.reply(to.port, errno, message))
}

// dispatch handles one request (nfnetlink_rcv_msg). A body too short for
// struct nfgenmsg is no error.
func (q *nfq) dispatch(from sender, h header, body []byte) Errno {
	if len(body) < nfgenLen {
		return 0
	}
	number, rest := network.Uint16(body[2:]), body[nfgenLen:]
	q.absent = false
	switch {
	case q.gone:
		return errInval
	case h.kind == nfqPacket:
		return errNotSupported
	case h.kind == nfqVerdict:
		return q.verdict(from, h, number, rest)
	case h.kind == nfqConfig:
		return q.configure(from, number, rest)
	case h.kind == nfqBatch:
		return q.batch(from, h, number, rest)
	default:
		return errInval
	}
}

// owned returns a queue that the sender may use
// (verdict_instance_lookup).
func (q *nfq) owned(from sender, number uint16) (*nfqQueue, Errno) {
	queue := q.queues[number]
	switch {
	case queue == nil:
		return nil, errNoDev
	case queue.owner != from.port:
		return nil, errPerm
	default:
		return queue, 0
	}
}

// enqueue sends a packet to the owner of its queue (nfqnl_enqueue_packet).
func (q *nfq) enqueue(j *Journey, word uint32) Fate {
	queue := q.queues[verdictQueueNumber(word)]
	switch {
	case queue == nil:
		return unheard(word)
	case queue.mode == nfqCopyNone:
		return Unwanted
	default:
		return queue.enqueue(j)
	}
}

func (q *nfq) served(word uint32) bool {
	queue := q.queues[verdictQueueNumber(word)]
	return queue != nil && queue.mode != nfqCopyNone
}

// segments reports whether GSO packets are split for the queue. Kernels before
// 3.10 split them before they look up the queue.
func (q *nfq) segments(word uint32) bool {
	return !q.k.opts.Linux.knowsGSO() || q.served(word) && q.queues[verdictQueueNumber(word)].flags&flagGSO == 0
}

// released drops the queues of a socket (nfqnl_rcv_nl_event).
func (q *nfq) released(port uint32) {
	if q.k.unheardOf() {
		return
	}
	for _, queue := range q.queues {
		if queue.owner == port {
			q.destroy(queue)
		}
	}
}

// destroy drops a queue and its pending packets (instance_destroy).
func (q *nfq) destroy(queue *nfqQueue) {
	delete(q.queues, queue.number)
	queue.flush(everything)
}

func (q *nfq) flush(match func(*Journey) bool) {
	for _, queue := range q.queues {
		queue.flush(match)
	}
}

func (q *nfq) pending() (n int) {
	for _, queue := range q.queues {
		n += queue.waiting.len()
	}
	return n
}
