package kerneltest

import "math/bits"

// A datagram is one element of a receive buffer.
type datagram struct {
	from  uint32
	bytes []byte
}

// A buffer is the receive buffer of a socket, with the kernel's accounting
// (net/netlink/af_netlink.c: netlink_attachskb, netlink_overrun,
// netlink_rcv_wake).
type buffer struct {
	limit      int  // sk_rcvbuf
	overshoots bool // one message may exceed the limit
	quiet      bool // NETLINK_NO_ENOBUFS

	queue     []datagram
	charged   int // sk_rmem_alloc
	congested bool
	err       error // sk_err: returned once by the next read
	drops     int
}

// put adds d. If there is no room, it drops d and returns false.
func (b *buffer) put(d datagram) bool {
	n := charge(len(d.bytes))
	if b.congested || !b.fits(n) {
		b.overrun()
		return false
	}
	b.charged += n
	b.queue = append(b.queue, d)
	return true
}

func (b *buffer) fits(n int) bool {
	if b.overshoots {
		return b.charged <= b.limit
	}
	return b.charged == 0 || b.charged+n <= b.limit
}

// overrun records that a message was dropped. Unless the socket has the option
// NETLINK_NO_ENOBUFS, its next read fails with ENOBUFS, and it receives no more
// messages until it has read everything in the buffer.
func (b *buffer) overrun() {
	b.drops++
	if b.quiet || b.congested {
		return
	}
	b.congested = true
	b.err = errNoBufs
}

// take removes the oldest datagram. The buffer must not be empty.
func (b *buffer) take() datagram {
	d := b.queue[0]
	b.queue[0] = datagram{}
	b.queue = b.queue[1:]
	b.charged -= charge(len(d.bytes))
	if len(b.queue) == 0 {
		b.queue, b.congested = nil, false
	}
	return d
}

// takeError returns the pending error and clears it. Reading an empty buffer also
// ends the congestion (netlink_rcv_wake).
func (b *buffer) takeError() error {
	err := b.err
	b.err = nil
	if err != nil && len(b.queue) == 0 {
		b.congested = false
	}
	return err
}

// The memory of a socket buffer as measured on Linux 6.18 amd64: the struct
// sk_buff, and behind the data a struct skb_shared_info.
const (
	skbSize     = 256
	sharedSize  = 320
	smallHead   = 576 // the cache for heads of up to smallData bytes
	smallData   = 256
	largestHead = 1 << 14 // above, the payload stays in the packet's own pages
)

// charge returns the part of the receive buffer that a message of n bytes uses.
func charge(n int) int {
	switch {
	case n <= smallData:
		return skbSize + smallHead
	case n <= largestHead:
		return skbSize + 1<<bits.Len(uint(n+sharedSize-1))
	default:
		return skbSize + smallHead + n
	}
}
