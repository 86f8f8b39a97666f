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

// The fuzz targets feed a sequence of datagrams to a queue: it neither panics
// nor hangs, it accounts for each packet once, and it sends exactly one verdict
// for each packet that it showed or found damaged.

func FuzzNFQueueReader(f *testing.F) { fuzzReader(f, nfqueueKind) }
func FuzzIPQueueReader(f *testing.F) { fuzzReader(f, ipqueueKind) }

func fuzzReader(f *testing.F, k kind) {
	m := k.sample(f)
	for _, seed := range [][]arrival{
		{{bytes: m[0]}, {bytes: m[1]}, {bytes: m[2]}},
		{{bytes: m[0]}, {bytes: m[0]}},                            // an id twice
		{{bytes: m[2]}, {bytes: m[1]}},                            // backward, after a gap
		{{bytes: m[0], foreign: true}, {bytes: m[1], long: true}}, // a liar, and one that is cut
		{{bytes: m[1][:len(m[1])-5]}, {bytes: m[1][:30]}},
		{{bytes: m[3]}, {bytes: m[0]}}, // a refusal that nobody asked for
	} {
		f.Add(encode(seed))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		synctest.Test(t, func(t *testing.T) {
			s := newSim(t, k, kerneltest.Options{})
			s.openTelling(queue.Config{MaxUndecided: 8, OnDeadline: queue.Accept, Conntrack: k.isNFQueue()})
			s.feed(decode(input))
		})
	})
}

// sample are messages as the kernel sends them: three packets and a refusal.
func (k kind) sample(t testing.TB) (list [][]byte) {
	t.Helper()
	kernel := kerneltest.New(kerneltest.Options{Modules: k.modules})
	c := sock.Config{Protocol: sock.ProtoFirewall}
	if k.isNFQueue() {
		c.Protocol = sock.ProtoNetfilter
	}
	s, err := kernel.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	bind := wire.Native().AppendIPQMode(nil, 0, 1, s.Port(), wire.CopyPacket, 0)
	late := wire.Native().AppendIPQVerdict(nil, 0, 1<<31|2, s.Port(), 12345, wire.VerdictAccept, nil)
	if k.isNFQueue() {
		bind = wire.AppendNFQConfig(nil, 0, 1, 0, &wire.NFQConfig{Queue: simNumber, Command: wire.CommandBind,
			SetMode: true, Mode: wire.CopyPacket, Range: 65531, Flags: wire.ConfigConntrack, Mask: wire.ConfigConntrack})
		late = wire.AppendNFQVerdict(nil, 0, 12345, 0, &wire.NFQVerdict{Queue: simNumber, ID: 12345})
	}
	send := func(b []byte) {
		if _, err := s.Send([][]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	send(bind)
	for n := range 3 {
		kernel.Inject(kerneltest.Packet{Queue: simNumber, Mark: uint32(n), In: eth0, HWAddr: []byte{1, 2, 3, 4, 5, 6},
			Conntrack: simEntry(), Payload: simUDP(false, pattern(n))})
	}
	send(late)
	batch := make([]sock.Datagram, 8)
	for i := range batch {
		batch[i].Buf = make([]byte, 1024)
	}
	n, err := s.Receive(batch, nil)
	if n != 4 || err != nil {
		t.Fatalf("%d messages, %v, want 4", n, err)
	}
	for _, d := range batch[:n] {
		list = append(list, d.Buf[:d.N])
	}
	return list
}

// An arrival is one datagram of the fuzzer's input.
type arrival struct {
	foreign bool // sent by a local process
	long    bool // longer than any receive buffer
	bytes   []byte
}

// encode writes arrivals one after the other: a byte of flags, the length in two
// bytes, the bytes.
func encode(list []arrival) (input []byte) {
	for _, a := range list {
		var flags byte
		if a.foreign {
			flags |= 1
		}
		if a.long {
			flags |= 2
		}
		input = binary.LittleEndian.AppendUint16(append(input, flags), uint16(len(a.bytes)))
		input = append(input, a.bytes...)
	}
	return input
}

// decode is the reverse of encode for any input.
func decode(input []byte) (list []arrival) {
	for len(input) >= 3 && len(list) < 64 {
		a := arrival{foreign: input[0]&1 != 0, long: input[0]&2 != 0}
		n := min(int(binary.LittleEndian.Uint16(input[1:])), len(input)-3)
		a.bytes, input = input[3:3+n], input[3+n:]
		list = append(list, a)
	}
	return list
}

// feed delivers the datagrams, decides every packet that comes of them, and
// compares the verdicts sent with what was received.
func (s *sim) feed(list []arrival) {
	for _, a := range list {
		b, from := a.bytes, uint32(0)
		if a.long {
			b = append(bytes.Clone(b), make([]byte, 128<<10)...)
		}
		if a.foreign {
			from = 99
		}
		s.socket().Deliver(from, b)
	}
	shown, decided := uint64(0), make(map[uint64]int)
	for p, ok := s.arriving(); ok; p, ok = s.arriving() {
		shown++
		if s.judge(p, shown) {
			decided[p.ID]++
		}
	}
	n := s.stats()
	if s.q.Err() != nil {
		return // the datagrams said that no verdict is taken any more
	}
	sent := s.messages()
	for _, m := range sent {
		decided[m.id]--
	}
	for id, missing := range decided {
		if missing > 0 {
			s.Errorf("packet %#x: %d verdicts were not sent", id, missing)
		}
	}
	if got, want := uint64(len(sent)), n.Decided+n.Damaged; got != want || n.Undecided != 0 {
		s.Errorf("%d verdicts sent, want %d: %+v", got, want, n)
	}
	if all := n.Received - n.Damaged; shown > all || shown+n.Gone < all {
		s.Errorf("%d packets shown, %d received, %d damaged, %d gone", shown, n.Received, n.Damaged, n.Gone)
	}
}

// arriving returns the next packet. ok is false if none comes.
func (s *sim) arriving() (p queue.Packet, ok bool) {
	select {
	case p, ok = <-s.q.Packets():
	case <-time.After(time.Second):
	}
	return p, ok
}

// judge reads everything about a packet and decides it in a way that depends on
// n. It reports whether the verdict succeeded.
func (s *sim) judge(p queue.Packet, n uint64) bool {
	_ = len(p.In().String()) + len(p.Out().String()) + len(p.LinkHeader()) + len(p.SecurityContext()) +
		len(p.HardwareAddr()) + len(p.Time().String())
	err := errors.ErrUnsupported
	_, _ = p.Conntrack()
	switch {
	case n%3 == 0:
		err = p.ReplaceRaw(s.datagram(int(n)))
	case n%3 == 1:
		err = p.Decide(queue.Verdict{Action: queue.Accept, Conntrack: queue.CTChange{Mark: 1, SetStatus: queue.CTHelper}})
		if unsupported := errors.Is(err, errors.ErrUnsupported); unsupported == s.isNFQueue() {
			s.Errorf("packet %#x: a change of its connection gives %v", p.ID, err)
		}
	}
	if errors.Is(err, queue.ErrInvalid) || errors.Is(err, errors.ErrUnsupported) {
		err = p.Drop()
	}
	if err != nil && !errors.Is(err, queue.ErrGone) && !errors.Is(err, queue.ErrClosed) {
		s.Errorf("packet %#x: %v", p.ID, err)
	}
	if p.Accept() == nil {
		s.Errorf("packet %#x took a second verdict", p.ID)
	}
	return err == nil
}
