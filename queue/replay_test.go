package queue_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/wire"
)

// A replay is a socket that hands out one prepared packet again and again, each
// time with another id, and swallows verdicts. It allocates nothing, so that
// what is measured is the library's.
type replay struct {
	message  []byte
	setID    func(message []byte, n uint64)
	last     uint64
	mu       sync.Mutex
	readable sync.Cond
	left     int            // packets to hand out
	reply    []byte         // to the last request
	sent     int            // datagrams swallowed
	buffers  map[*byte]bool // starts of what was received into, unless nil
	expired  bool
	closed   bool
}

var (
	_ sock.Kernel = (*replay)(nil)
	_ sock.Socket = (*replay)(nil)
)

// nfqReplay replays a packet message of nfnetlink_queue number 0, as a kernel
// sends it for a packet of the host's own.
func nfqReplay(payload []byte) *replay {
	host := binary.NativeEndian
	m := append(make([]byte, 0, 100+len(payload)), make([]byte, 16)...)
	host.PutUint16(m[4:], wire.NFQPacketType)
	m = append(m, 2, 0, 0, 0)
	attr := func(typ uint16, data ...byte) {
		for len(m)%4 != 0 {
			m = append(m, 0)
		}
		m = host.AppendUint16(m, uint16(4+len(data)))
		m = append(host.AppendUint16(m, typ), data...)
	}
	attr(1, 0, 0, 0, 0, 8, 0, 3)
	attr(6, 0, 0, 0, 1)
	attr(16, 0, 0, 3, 232)
	attr(17, 0, 0, 3, 232)
	attr(10, payload...)
	host.PutUint32(m, uint32(len(m)))
	return newReplay(m, func(m []byte, n uint64) { binary.BigEndian.PutUint32(m[24:], uint32(n)) })
}

// track adds a minimal connection tracking entry to the message of
// nfnetlink_queue: empty tuples, and a status.
func (r *replay) track() {
	host := binary.NativeEndian
	for len(r.message)%4 != 0 {
		r.message = append(r.message, 0)
	}
	for _, word := range [][2]uint16{{4 + 16, 11}, {4, 1}, {4, 2}, {8, 3}} { // NFQA_CT, CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_STATUS
		r.message = host.AppendUint16(host.AppendUint16(r.message, word[0]), word[1])
	}
	r.message = append(r.message, 0, 0, 0, 8)
	host.PutUint32(r.message, uint32(len(r.message)))
}

// ipqReplay replays a packet message of ip_queue.
func ipqReplay(payload []byte) *replay {
	l, host := wire.Native(), binary.NativeEndian
	m := make([]byte, 16+l.IPQPacketLen(), 200+len(payload))
	host.PutUint16(m[4:], wire.IPQPacketType)
	copy(m[16+4*l.WordSize()+4+16:], "eth0")
	putLong(m[16+l.IPQPacketLen()-l.WordSize():], uint64(len(payload)))
	m = append(m, payload...)
	host.PutUint32(m, uint32(len(m)))
	return newReplay(m, func(m []byte, n uint64) { putLong(m[16:], n) })
}

// putLong writes an unsigned long of a kernel like this program.
func putLong(b []byte, n uint64) {
	if wire.Native().WordSize() == 4 {
		binary.NativeEndian.PutUint32(b, uint32(n))
	} else {
		binary.NativeEndian.PutUint64(b, n)
	}
}

func newReplay(message []byte, setID func([]byte, uint64)) *replay {
	r := &replay{message: message, setID: setID}
	r.readable.L = &r.mu
	return r
}

// open opens a queue on the replay.
func (r *replay) open(t testing.TB, c queue.Config) *queue.Queue {
	t.Helper()
	if c.Backend == queue.IPQueue {
		c.WordSize = 8 * wire.Native().WordSize()
	}
	q, err := queue.Open(sock.WithKernel(context.Background(), r), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

// more lets n more packets come.
func (r *replay) more(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left += n
	r.readable.Broadcast()
}

// Open implements sock.Kernel.
func (r *replay) Open(sock.Config) (sock.Socket, error) { return r, nil }

// ReadFile implements sock.Kernel.
func (r *replay) ReadFile(string) ([]byte, error) { return nil, fs.ErrNotExist }

// Glob implements sock.Kernel.
func (r *replay) Glob(string) []string { return nil }

// Holder implements sock.Kernel.
func (r *replay) Holder(int, uint32) (sock.Process, error) { return sock.Process{}, fs.ErrNotExist }

// LinkName implements sock.Socket.
func (r *replay) LinkName(uint32) (string, error) { return "", fs.ErrNotExist }

// InitialUser implements sock.Socket.
func (r *replay) InitialUser() (bool, error) { return true, nil }

// Links implements sock.Socket.
func (r *replay) Links() (sock.Socket, error) { return nil, errors.ErrUnsupported }

// WriteFile implements sock.Kernel.
func (r *replay) WriteFile(string, []byte) error { return fs.ErrNotExist }

// Receive implements sock.Socket.
func (r *replay) Receive(batch []sock.Datagram, idle func() bool) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		switch {
		case r.closed:
			return 0, os.ErrClosed
		case r.expired:
			return 0, os.ErrDeadlineExceeded
		case r.reply != nil:
			batch[0].N, batch[0].From, batch[0].Truncated = copy(batch[0].Buf, r.reply), 0, false
			r.reply = nil
			return 1, nil
		case r.left > 0:
			return r.fill(batch[:min(r.left, len(batch), sock.MaxBatch)]), nil
		}
		r.mu.Unlock()
		wait := idle == nil || idle()
		r.mu.Lock()
		if !wait {
			return 0, nil
		}
		for !r.closed && !r.expired && r.reply == nil && r.left == 0 {
			r.readable.Wait()
		}
	}
}

func (r *replay) fill(batch []sock.Datagram) int {
	for i := range batch {
		d := &batch[i]
		r.last++
		d.N, d.From, d.Truncated = copy(d.Buf, r.message), 0, false
		r.setID(d.Buf, r.last)
		if r.buffers != nil {
			r.buffers[&d.Buf[0]] = true
		}
	}
	r.left -= len(batch)
	return len(batch)
}

// Send implements sock.Socket. It acknowledges what asks for it.
func (r *replay) Send(datagrams [][]byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range datagrams {
		if binary.NativeEndian.Uint16(d[6:])&wire.FlagAck != 0 {
			reply := make([]byte, 36)
			binary.NativeEndian.PutUint32(reply, 36)
			binary.NativeEndian.PutUint16(reply[4:], wire.NLMsgError)
			copy(reply[20:], d[:16])
			if unknownFlag(d) {
				refusal := int32(eopnotsupp)
				binary.NativeEndian.PutUint32(reply[16:], uint32(-refusal))
			}
			r.reply = reply
			r.readable.Broadcast()
		}
	}
	r.sent += len(datagrams)
	return len(datagrams), nil
}

// unknownFlag reports whether a request contains a flag of nfnetlink_queue that
// no kernel supports.
func unknownFlag(d []byte) bool {
	var c wire.NFQConfig
	return binary.NativeEndian.Uint16(d[4:]) == wire.NFQConfigType &&
		c.Parse(d[wire.HeaderLen:]) == nil && c.Flags>>31 != 0
}

// Request implements sock.Socket.
func (r *replay) Request(datagrams [][]byte) (int, error) { return r.Send(datagrams) }

// SetReadDeadline implements sock.Socket. It does not wait for times to come:
// answers are always there.
func (r *replay) SetReadDeadline(t time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return os.ErrClosed
	}
	r.expired = !t.IsZero() && !t.After(time.Now())
	r.readable.Broadcast()
	return nil
}

// Port implements sock.Socket.
func (r *replay) Port() uint32 { return 4711 }

// ReadBuffer implements sock.Socket.
func (r *replay) ReadBuffer() int { return 1 << 20 }

// Drops implements sock.Socket.
func (r *replay) Drops() (uint32, error) { return 0, nil }

// Status implements sock.Socket.
func (r *replay) Status([]byte, int64) (int, error) { return 0, fs.ErrNotExist }

// Close implements sock.Socket.
func (r *replay) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return os.ErrClosed
	}
	r.closed = true
	r.readable.Broadcast()
	return nil
}

// replayers are both backends on a replay of one packet.
var replayers = []struct {
	backend queue.Backend
	replay  func(payload []byte) *replay
}{
	{queue.NFQueue, nfqReplay},
	{queue.IPQueue, ipqReplay},
}

// taker returns a function that takes n packets from the queue.
func taker(q *queue.Queue, pull bool) func(n int, f func(queue.Packet)) {
	if !pull {
		packets := q.Packets()
		return func(n int, f func(queue.Packet)) {
			for range n {
				f(<-packets)
			}
		}
	}
	all := q.All()
	return func(n int, f func(queue.Packet)) {
		for p := range all {
			f(p)
			if n--; n == 0 {
				return
			}
		}
	}
}
