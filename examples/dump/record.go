package main

import (
	"fmt"
	"time"

	"github.com/ipqueue/ipqueue/queue"
)

// A record contains what is written about a packet.
type record struct {
	when     time.Time
	about    string
	id       uint64
	hook     queue.Hook
	in, out  string // names of interfaces
	mark     uint32
	length   uint32
	data     []byte
	ethernet bool // data begin with the link header
	verdict  queue.Action
	waited   time.Duration
	skipped  uint64 // packets just before it that are not written
}

// A recorder passes packets to a goroutine that writes them. It has a fixed
// number of records. While all of them wait to be written, take returns nil.
type recorder struct {
	free, full chan *record
	copies     bool // of the packets' bytes, up to 64 KiB for each record
	skipped    uint64
	ended      chan struct{}
}

// newRecorder starts the goroutine, which calls write for each record. more
// reports whether another one follows immediately.
func newRecorder(records int, copies bool, write func(r *record, more bool)) *recorder {
	r := &recorder{make(chan *record, records), make(chan *record, records), copies, 0, make(chan struct{})}
	for range records {
		r.free <- new(record)
	}
	go func() {
		defer close(r.ended)
		for next := range r.full {
			write(next, len(r.full) > 0)
			r.free <- next
		}
	}()
	return r
}

// take returns a record of the packet, which must be undecided, or nil if no
// record is free. It does not block.
func (r *recorder) take(p queue.Packet) *record {
	select {
	case next := <-r.free:
		next.skipped, r.skipped = r.skipped, 0
		next.fill(p, r.copies)
		return next
	default:
		r.skipped++
		return nil
	}
}

// put passes the record to the goroutine. It does not block: the channel has
// room for all records.
func (r *recorder) put(next *record) { r.full <- next }

// end waits until everything is written, but at most the given time.
func (r *recorder) end(within time.Duration) error {
	close(r.full)
	select {
	case <-r.ended:
		return nil
	case <-time.After(within):
		return fmt.Errorf("the output accepted nothing for %v", within)
	}
}

func (r *record) fill(p queue.Packet, copies bool) {
	r.about, r.id, r.hook, r.mark = p.String(), p.ID, p.Hook, p.Mark
	r.in, r.out = p.In().Name(), p.Out().Name()
	r.length, r.data, r.ethernet = p.Length, r.data[:0], false
	if copies {
		r.copy(p)
	}
	if r.when = p.Time(); r.when.IsZero() {
		r.when = time.Now().Add(-p.Age())
	}
}

// copy keeps the packet's bytes, on a bridge with the Ethernet header before
// them.
func (r *record) copy(p queue.Packet) {
	const headerSize = 14
	if header := p.LinkHeader(); len(header) >= headerSize {
		r.ethernet = true
		r.data = append(r.data, header...)
		r.length += uint32(len(header))
	}
	r.data = append(r.data, p.Payload...)
}
