package kerneltest

import "github.com/ipqueue/ipqueue/internal/sock"

// An nfqQueue is one bound queue (struct nfqnl_instance).
type nfqQueue struct {
	k         *Kernel
	number    uint16
	owner     uint32 // port
	mode      byte
	copyRange uint32
	flags     uint32
	maxLength uint32
	lastID    uint32
	waiting   waitlist

	queueDrops  uint32
	socketDrops uint32
}

func newNFQQueue(k *Kernel, number uint16, owner uint32) *nfqQueue {
	return &nfqQueue{
		k:         k,
		number:    number,
		owner:     owner,
		mode:      nfqCopyNone,
		copyRange: nfqMaxRange,
		maxLength: nfqMaxLength,
		waiting:   newWaitlist(),
	}
}

// enqueue tries to queue one packet. If the queue has room, the packet gets the next
// id, even if it then does not reach the socket (__nfqnl_enqueue_packet).
func (q *nfqQueue) enqueue(j *Journey) Fate {
	message := q.appendPacket(nil, j.packet())
	if uint64(q.waiting.len()) >= uint64(q.maxLength) {
		return q.refuse(&q.queueDrops, QueueFull)
	}
	q.lastID++
	if q.k.opts.Linux.hashes() && q.waiting.len() >= nfqHashLimit {
		return q.refuse(&q.queueDrops, QueueFull)
	}
	setPacketID(message, q.lastID)
	if q.k.unheardOf() || !q.k.deliver(sock.ProtoNetfilter, q.owner, message) {
		return q.refuse(&q.socketDrops, Undelivered)
	}
	j.queued(uint64(q.lastID))
	q.waiting.push(entry{uint64(q.lastID), j})
	return Pending
}

// refuse counts a packet that could not be queued, unless it is accepted.
func (q *nfqQueue) refuse(counter *uint32, f Fate) Fate {
	if q.flags&flagFailOpen != 0 {
		return FailedOpen
	}
	*counter++
	return f
}

func (q *nfqQueue) flush(match func(*Journey) bool) {
	for _, e := range q.waiting.takeAll(match) {
		e.j.end(Flushed)
	}
}
