package queue

import (
	"sync/atomic"
	"time"

	"github.com/ipqueue/ipqueue/internal/sock"
)

// A buffers is the memory that a reader receives into. It starts with one
// buffer. It doubles their number when two consecutive reads have filled all of
// them, and frees those that were not needed for some time. All have the size
// that the mode requires.
//
// The fields are guarded by the reader's token, except for those that are
// atomic.
type buffers struct {
	slots [sock.MaxBatch]sock.Datagram
	used  int // number of slots to receive into
	made  int // number of slots that have a buffer of the present size
	size  atomic.Int64
	most  int  // datagrams in the largest read since the last call of reduce
	full  bool // the last read filled all slots, and the socket has not been empty since

	wanted  atomic.Int64  // minimum size for the next read
	resized chan struct{} // receives a value when size has changed

	look     *time.Timer // fires when reduce is due; nil before the first burst
	looking  bool        // the timer is running, or has fired
	lookNow  atomic.Bool // the timer has fired
	lookSoon func()      // makes the reader call reduce
}

const (
	// receiveSize fits the largest message of either kernel queue: a packet of
	// 65575 bytes from ip6_queue, or a payload attribute of 65535 bytes and the
	// metadata of nfnetlink_queue.
	receiveSize = 68 << 10
	// metadataSize fits everything in a message except the payload, including a
	// connection tracking entry.
	metadataSize = 2 << 10
	// labelSize fits a security label.
	labelSize = 4 << 10
	// idleTime is how long buffers for a burst are kept.
	idleTime = 10 * time.Second
)

// messageSize returns the size of the longest message in mode m.
func messageSize(c *Config, m Mode) int {
	size := metadataSize
	if c.SecurityContext {
		size += labelSize
	}
	switch {
	case m == WholePacket, int(m) > receiveSize-size:
		return receiveSize
	case m > 0:
		return size + int(m)
	}
	return size
}

// init sets the size for c. lookSoon is called some time after the number of
// buffers has grown.
func (b *buffers) init(c *Config, lookSoon func()) {
	b.used = 1
	b.size.Store(int64(messageSize(c, c.Mode)))
	b.wanted.Store(b.size.Load())
	b.resized = make(chan struct{}, 1)
	b.lookSoon = lookSoon
}

// next returns slots for a read of at most room datagrams.
func (b *buffers) next(room int) []sock.Datagram {
	if want := b.wanted.Load(); want > b.size.Load() {
		b.made = 0
		b.size.Store(want)
		select {
		case b.resized <- struct{}{}:
		default: // no goroutine has received the last value
		}
	}
	n := min(room, b.used)
	for ; b.made < n; b.made++ {
		if b.slots[b.made].Buf == nil || len(b.slots[b.made].Buf) < int(b.size.Load()) {
			b.slots[b.made].Buf = make([]byte, b.size.Load())
		}
	}
	return b.slots[:n]
}

// exchange replaces the buffer of a slot by buf, or by a new buffer if buf is
// too small for a message. It returns the old buffer, which contains the
// received datagram.
func (b *buffers) exchange(d *sock.Datagram, buf []byte) (received []byte) {
	received = d.Buf
	if d.Buf = buf; len(buf) < int(b.size.Load()) {
		d.Buf = make([]byte, b.size.Load())
	}
	return received
}

// filled is called after a read that received n datagrams.
func (b *buffers) filled(n int) {
	b.most = max(b.most, n)
	again := b.full
	b.full = n == b.used
	if !again || !b.full || b.used == len(b.slots) {
		return
	}
	if b.used == 1 {
		b.lookLater()
	}
	b.used *= 2
}

// socketEmpty is called when the socket is empty.
func (b *buffers) socketEmpty() { b.full = false }

// truncated is called when a message was longer than its buffer. That is not
// expected; later reads use the largest size.
func (b *buffers) truncated() { b.wanted.Store(receiveSize) }

// lookLater starts the timer unless it is running.
func (b *buffers) lookLater() {
	if b.looking {
		return
	}
	b.looking = true
	if b.look == nil {
		b.look = time.AfterFunc(idleTime, func() {
			b.lookNow.Store(true)
			b.lookSoon()
		})
		return
	}
	b.look.Reset(idleTime)
}

// reduce frees buffers that were not needed for some time. It is called between
// two reads. When it is time for that, it reports whether there were fewer
// packets lately than before, or only single ones; otherwise it returns false.
func (b *buffers) reduce() (idle bool) {
	if !b.lookNow.Load() {
		return false
	}
	b.lookNow.Store(false)
	b.looking = false
	needed := 1
	for needed < b.most {
		needed *= 2
	}
	b.most = 0
	reduced := needed < b.used
	if reduced {
		b.used, b.made = needed, min(b.made, needed)
		clear(b.slots[needed:])
	}
	if b.used > 1 {
		b.lookLater()
	}
	return reduced || b.used == 1
}

// stop stops the timer.
func (b *buffers) stop() {
	if b.look != nil {
		b.look.Stop()
	}
}
