package queue_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/wire"
)

// order is the byte order of the kernel.
func (s *sim) order() binary.ByteOrder {
	switch {
	case s.isNFQueue():
		return binary.NativeEndian
	case s.words.BigEndian():
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// packetType is the type of packet messages.
func (s *sim) packetType() uint16 {
	if s.isNFQueue() {
		return wire.NFQPacketType
	}
	return wire.IPQPacketType
}

// message returns a netlink message whose header gives the length n.
func (s *sim) message(n uint32, kind uint16, body ...byte) []byte {
	b := make([]byte, 16, 16+len(body))
	s.order().PutUint32(b, n)
	s.order().PutUint16(b[4:], kind)
	return append(b, body...)
}

// TestMalformed sends messages that no kernel sends. Each is counted, and the
// stream continues.
func TestMalformed(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		all := [][]byte{
			{},
			{1},
			make([]byte, 15),
			make([]byte, 16),
			s.message(15, s.packetType()),
			s.message(16, s.packetType()),
			s.message(1<<31, s.packetType()),
			s.message(19, s.packetType(), 1, 2, 3),
			s.message(16, 3), // NLMSG_DONE
			s.message(16, 1), // NLMSG_NOOP
			s.message(20, 0xffff, 1, 2, 3, 4),
			s.message(16, wire.NLMsgError),
			s.message(35, wire.NLMsgError, make([]byte, 19)...),
			s.message(36, wire.NLMsgError, 1, 2, 3, 4),
		}
		if s.isNFQueue() {
			all = append(all,
				s.message(20, wire.NFQPacketType, 2, 0, 0, simNumber),
				s.message(31, wire.NFQPacketType, 2, 0, 0, simNumber+1, 11, 0, 1, 0, 0, 0, 0, 1, 8, 0, 1),
				s.message(31, wire.NFQVerdictType, make([]byte, 15)...))
		}
		for _, b := range all {
			s.socket().Deliver(0, b)
			j := s.injectOne()
			s.ok(s.next().Accept())
			s.fate(j, kerneltest.Accepted)
		}
		if n := s.stats(); n.Malformed != uint64(len(all)) || n.Received != n.Decided {
			s.Errorf("%d malformed, %d received, %d decided, want %d malformed", n.Malformed, n.Received, n.Decided, len(all))
		}
	})
}

// TestForeign sends packet messages from a local process.
func TestForeign(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		tap := s.tapped()
		var message []byte
		tap.onReceive = func(d *sock.Datagram) { message = bytes.Clone(d.Buf[:d.N]) }
		s.open(queue.Config{})
		s.injectOne()
		s.next()
		for _, port := range []uint32{1, 4711, 1 << 31, ^uint32(0)} {
			s.socket().Deliver(port, message)
			s.none()
		}
		if n := s.stats(); n.Foreign != 4 || n.Received != 1 {
			s.Errorf("%d foreign, %d received, want 4 and 1", n.Foreign, n.Received)
		}
	})
}

// damages are ways to spoil a packet message whose id can still be read.
func (s *sim) damages() map[string]func(d *sock.Datagram) {
	all := map[string]func(d *sock.Datagram){
		"truncated":          func(d *sock.Datagram) { d.N -= 10; d.Truncated = true },
		"only the flag":      func(d *sock.Datagram) { d.Truncated = true },
		"nlmsg_len too long": func(d *sock.Datagram) { s.order().PutUint32(d.Buf, uint32(d.N+4)) },
		"nlmsg_len of 4 GiB": func(d *sock.Datagram) { s.order().PutUint32(d.Buf, 1<<32-1) },
		"nothing but the id": func(d *sock.Datagram) { d.N = 36; d.Truncated = true },
	}
	if s.isNFQueue() {
		all["short attribute"] = func(d *sock.Datagram) { appendAttr(d, 3, 1, 2) }
		all["attribute beyond the end"] = func(d *sock.Datagram) {
			appendAttr(d, 3, 1, 2, 3, 4)
			binary.NativeEndian.PutUint16(d.Buf[d.N-8:], 100)
		}
		return all
	}
	all["data_len too long"] = func(d *sock.Datagram) {
		at := 16 + s.words.IPQPacketLen() - s.words.WordSize()
		for i := range s.words.WordSize() {
			d.Buf[at+i] = 0x7f
		}
	}
	return all
}

// appendAttr appends an attribute to a message of nfnetlink_queue.
func appendAttr(d *sock.Datagram, typ uint16, data ...byte) {
	b := d.Buf[:d.N]
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	b = binary.NativeEndian.AppendUint16(b, uint16(4+len(data)))
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = append(b, data...)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	d.N = len(b)
}

// TestDamaged spoils packet messages on their way: they are not shown, and
// their packets get the verdict of Config.OnDeadline.
func TestDamaged(t *testing.T) {
	for action, want := range map[queue.Action]kerneltest.Fate{0: kerneltest.Dropped, queue.Accept: kerneltest.Accepted} {
		t.Run(action.String(), func(t *testing.T) {
			simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
				tap := s.tapped()
				s.open(queue.Config{OnDeadline: action})
				for name, spoil := range s.damages() {
					tap.onReceive = spoil
					j := s.injectOne()
					s.none()
					s.quiet()
					if got := j.Fate(); got != want {
						s.Errorf("%s: fate is %v, want %v", name, got, want)
					}
					tap.onReceive = nil
					j = s.injectOne()
					s.ok(s.next().Accept())
					s.fate(j, kerneltest.Accepted)
				}
				if n, want := s.stats(), uint64(len(s.damages())); n.Damaged != want || n.Malformed != 0 {
					s.Errorf("%d damaged, %d malformed, want %d and 0", n.Damaged, n.Malformed, want)
				}
			})
		})
	}
}

// TestUnknownAttributes adds attributes of later kernels.
func TestUnknownAttributes(t *testing.T) {
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		tap := s.tapped()
		tap.onReceive = func(d *sock.Datagram) {
			if binary.NativeEndian.Uint16(d.Buf[4:]) != wire.NFQPacketType {
				return
			}
			appendAttr(d, 23, 1)
			appendAttr(d, 31|0x8000, 1, 2, 3)
			appendAttr(d, 0x3fff)
			appendAttr(d, 0, 9, 9, 9, 9)
		}
		s.open(queue.Config{})
		j := s.injectOne()
		p := s.next()
		if !bytes.Equal(p.Payload, s.datagram(32)) {
			s.Errorf("payload % x", p.Payload)
		}
		s.ok(p.Accept())
		s.fate(j, kerneltest.Accepted)
	})
}

// TestOverrun floods a small receive buffer between two loops. What was
// received is delivered, and the stream continues.
func TestOverrun(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{ReadBuffer: 8192})
		for round := range 3 {
			flood := s.inject(200)
			pending := s.kernel.Pending()
			if pending == 0 || pending == len(flood) {
				s.Fatalf("round %d: %d packets delivered", round, pending)
			}
			for p := range s.q.All() {
				s.ok(p.Accept())
				if pending--; pending == 0 {
					break
				}
			}
			s.quiet()
			if got := s.kernel.Pending(); got != 0 {
				s.Errorf("round %d: %d packets wait for a verdict", round, got)
			}
		}
		n := s.stats()
		if s.isNFQueue() && n.Missed == 0 || !s.isNFQueue() && n.Overruns == 0 || n.Kernel.SocketDropped == 0 {
			s.Errorf("%d missed, %d overruns, %d dropped by the kernel", n.Missed, n.Overruns, n.Kernel.SocketDropped)
		}
	})
}

// TestSpuriousWakeups wakes the reader for nothing.
func TestSpuriousWakeups(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		s.none()
		for range 10 {
			s.socket().Wake()
			synctest.Wait()
		}
		s.injectOne()
		s.ok(s.next().Accept())
	})
}

// TestReceiveFails ends the stream: the socket is dead.
func TestReceiveFails(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		s.inject(3)
		s.nextN(2)
		s.socket().FailReceive(eio)
		s.quiet()
		for range s.q.Packets() {
		}
		if err := s.q.Err(); !errors.Is(err, eio) {
			s.Errorf("Err: %v, want EIO", err)
		}
	})
}

// TestMaxUndecided checks that reading stops at that number, and continues with
// each verdict.
func TestMaxUndecided(t *testing.T) {
	for _, limit := range []int{1, 2, 63, 64, 65, 200} {
		simulate(t, both, kerneltest.Options{}, func(s *sim) {
			s.open(queue.Config{MaxUndecided: limit})
			j := s.inject(400)
			held := s.nextN(limit)
			for i := 0; i < 400-limit; i++ {
				s.none()
				if got, want := s.socket().Unread(), 400-limit-i; got != want {
					s.Fatalf("MaxUndecided %d: %d datagrams unread, want %d", limit, got, want)
				}
				if n := s.q.Stats().Undecided; n != uint64(limit) {
					s.Fatalf("MaxUndecided %d: %d undecided", limit, n)
				}
				s.ok(held[0].Accept())
				time.Sleep(time.Millisecond)
				held = append(held[1:], s.next())
			}
			for _, p := range held {
				s.ok(p.Accept())
			}
			s.fates(j, kerneltest.Accepted)
		})
	}
}

// TestMaxUndecidedAll does the same without a reader of its own: a loop that
// keeps its packets waits for another goroutine's verdicts.
func TestMaxUndecidedAll(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{MaxUndecided: 3})
		j := s.inject(100)
		kept := make(chan queue.Packet, 100)
		go func() {
			for p := range kept {
				time.Sleep(time.Millisecond)
				if err := p.Accept(); err != nil {
					s.Errorf("Accept: %v", err)
				}
			}
		}()
		n := 0
		for p := range s.q.All() {
			kept <- p
			if n++; n == len(j) {
				break
			}
		}
		close(kept)
		time.Sleep(time.Second)
		s.fates(j, kerneltest.Accepted)
	})
}

// TestWhenFull checks that packets that do not fit in the channel are decided.
func TestWhenFull(t *testing.T) {
	for action, want := range map[queue.Action]kerneltest.Fate{
		0: kerneltest.Pending, queue.Drop: kerneltest.Dropped, queue.Accept: kerneltest.Accepted,
	} {
		t.Run(action.String(), func(t *testing.T) {
			simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
				s.open(queue.Config{WhenFull: action, Buffer: 4})
				j := s.inject(200)
				s.q.Packets()
				s.fates(j[:4], kerneltest.Pending)
				s.fates(j[4:], want)
				over := uint64(0)
				if action != 0 {
					over = 196
				}
				if n := s.stats(); n.Overflowed != over {
					s.Errorf("%d overflowed, want %d", n.Overflowed, over)
				}
				for range 4 {
					s.ok(s.next().Accept())
				}
				s.fates(j[:4], kerneltest.Accepted)
			})
		})
	}
}

// TestMissed computes the loss from gaps in the ids, also where they wrap.
func TestMissed(t *testing.T) {
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		var want uint64
		last := uint32(0)
		for _, to := range []uint32{0, 5, 6, 1 << 20, 1 << 30, 1<<31 - 2, 1<<31 + 10, 3 << 30, 1<<32 - 3, 1<<32 - 2} {
			if to != last {
				want += uint64(to - last)
				s.kernel.SetLastID(simNumber, to)
			}
			last = to + 1
			s.injectOne()
			p := s.next()
			if p.ID != uint64(last) {
				s.Fatalf("id %d, want %d", p.ID, last)
			}
			s.ok(p.Accept())
			if got := s.stats().Missed; got != want {
				s.Errorf("%d missed before id %d, want %d", got, last, want)
			}
		}
		s.inject(3) // across the wrap: 0, 1 and 2
		for _, p := range s.nextN(3) {
			s.ok(p.Accept())
		}
		if got := s.stats().Missed; got != want {
			s.Errorf("%d missed after the wrap, want %d", got, want)
		}
		s.kernel.SetLastID(simNumber, 0) // ids that went backward are no gap
		s.injectOne()
		s.ok(s.next().Accept())
		if got := s.stats().Missed; got != want {
			s.Errorf("%d missed after an id came again, want %d", got, want)
		}
	})
}
