package queue

import (
	"sync/atomic"
	"time"

	"github.com/ipqueue/ipqueue/internal/sock"
)

// A buffers is the memory that a reader receives into. It begins with one
// buffer, has twice as many whenever two reads in a row filled them all, and
// drops them again when the queue has been idle for long. The buffers have the size that
// the mode needs.
//
// Its fields belong to the holder of the reader's token, except for those that
// are atomic.
type buffers struct {
	slots [sock.MaxBatch]sock.Datagram
	used  int // slots that are received into
	made  int // slots that have a buffer of the present size
	size  atomic.Int64
	most  int  // datagrams of the largest read since the last look
	full  bool // the last read filled them all with packets, and the socket was not empty since

	wanted  atomic.Int64  // the size to have before the next read
	resized chan struct{} // receives after size has changed

	look     *time.Timer // for buffers that are no longer needed; nil until there are some
	lookNow  atomic.Bool // it fired
	lookSoon func()      // has reduce called soon
}

const (
	// receiveSize fits the largest message of either kernel queue: a packet of
	// 65575 bytes from ip6_queue, or a payload attribute of 65535 bytes and the
	// metadata of nfnetlink_queue.
	receiveSize = 68 << 10
	// metadataSize fits what a message has beside the payload, a connection
	// tracking entry included.
	metadataSize = 2 << 10
	// labelSize fits a security label.
	labelSize = 4 << 10
	// idleTime is how long buffers that a burst needed are kept.
	idleTime = 10 * time.Second
)

// messageSize is the size of the longest message in that mode.
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

// init sets the size for c. lookSoon is called after a while when there are
// more buffers than one.
func (b *buffers) init(c *Config, lookSoon func()) {
	b.used = 1
	b.size.Store(int64(messageSize(c, c.Mode)))
	b.wanted.Store(b.size.Load())
	b.resized = make(chan struct{}, 1)
	b.lookSoon = lookSoon
}

// next returns the slots for a read of at most room datagrams.
func (b *buffers) next(room int) []sock.Datagram {
	if want := b.wanted.Load(); want > b.size.Load() {
		b.made = 0
		b.size.Store(want)
		select {
		case b.resized <- struct{}{}:
		default: // nobody has waited for the last change
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

// exchange gives buf in place of the slot's buffer, unless buf is too small for
// a later message.
func (b *buffers) exchange(d *sock.Datagram, buf []byte) (received []byte) {
	received = d.Buf
	if d.Buf = buf; len(buf) < int(b.size.Load()) {
		d.Buf = make([]byte, b.size.Load())
	}
	return received
}

// filled notes that a read brought n packets.
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

// socketEmpty notes that there is nothing to read.
func (b *buffers) socketEmpty() { b.full = false }

// truncated notes that a message was longer than its buffer. None is expected
// to be, but the next one will fit.
func (b *buffers) truncated() { b.wanted.Store(receiveSize) }

func (b *buffers) lookLater() {
	if b.look == nil {
		b.look = time.AfterFunc(idleTime, func() {
			b.lookNow.Store(true)
			b.lookSoon()
		})
		return
	}
	b.look.Reset(idleTime)
}

// reduce drops the buffers that were not needed for a while, and reports
// whether it did. It is called when there is nothing to read.
func (b *buffers) reduce() bool {
	if !b.lookNow.Load() {
		return false
	}
	b.lookNow.Store(false)
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
	return reduced
}

// stop ends the timer.
func (b *buffers) stop() {
	if b.look != nil {
		b.look.Stop()
	}
}
