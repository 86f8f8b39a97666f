package queue_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/wire"
)

// A kind is one of the kernel queues, with the layout of its messages.
type kind struct {
	name    string
	modules kerneltest.Modules
	layout  kerneltest.Layout
	words   wire.Layout // ip_queue
	family  kerneltest.Family
}

// simNumber is the number of the nfnetlink_queue of simulations.
const simNumber = 7

var (
	nfqueueKind = kind{name: "nfnetlink_queue", modules: kerneltest.NFQueue, family: kerneltest.IPv4}
	ipqueueKind = kind{name: "ip_queue", modules: kerneltest.IPQueue, family: kerneltest.IPv4, words: wire.Native()}
)

// kinds are nfnetlink_queue, and ip_queue and ip6_queue in every layout.
func kinds() []kind {
	list := []kind{nfqueueKind}
	for _, l := range []struct {
		layout kerneltest.Layout
		words  wire.Layout
	}{
		{kerneltest.Little32, wire.LE32},
		{kerneltest.Little64, wire.LE64},
		{kerneltest.Big32, wire.BE32},
		{kerneltest.Big64, wire.BE64},
	} {
		list = append(list,
			kind{"ip_queue " + l.words.String(), kerneltest.IPQueue, l.layout, l.words, kerneltest.IPv4},
			kind{"ip6_queue " + l.words.String(), kerneltest.IP6Queue, l.layout, l.words, kerneltest.IPv6})
	}
	return list
}

func (k kind) isNFQueue() bool { return k.modules == kerneltest.NFQueue }

// config is c for this kind of queue.
func (k kind) config(c queue.Config) queue.Config {
	switch k.modules {
	case kerneltest.NFQueue:
		c.Backend, c.Number = queue.NFQueue, simNumber
	case kerneltest.IP6Queue:
		c.Family = queue.IPv6
		fallthrough
	default:
		c.Backend = queue.IPQueue
	}
	return c
}

// open opens the queue with queue.Open, unless the kernel has the other byte
// order.
func (k kind) open(ctx context.Context, c queue.Config) (*queue.Queue, error) {
	c = k.config(c)
	if c.Backend == queue.IPQueue && k.words.BigEndian() != wire.Native().BigEndian() {
		return queue.OpenLayout(ctx, c, k.words)
	}
	return queue.Open(ctx, c)
}

// both are the kinds that stand for the two backends where the layout plays no
// part.
var both = []kind{nfqueueKind, ipqueueKind}

// A sim is a queue on a simulated kernel, in a bubble of synctest: time stands
// still until every goroutine waits.
type sim struct {
	testing.TB
	kind
	kernel   *kerneltest.Kernel
	release  kerneltest.Version
	q        *queue.Queue
	ctx      context.Context // the queue's
	cancel   context.CancelCauseFunc
	journeys []*kerneltest.Journey

	mu     sync.Mutex
	sends  [][]byte         // datagrams sent since forget
	onSend func(b []byte)   // called before the kernel sees a datagram
	gone   []refusedVerdict // what OnRefused was told
}

// A refusedVerdict contains the arguments of OnRefused.
type refusedVerdict struct {
	id  uint64
	err error
}

// simulate runs test once for each of kinds, on a kernel with these options.
func simulate(t *testing.T, list []kind, o kerneltest.Options, test func(s *sim)) {
	t.Helper()
	for _, k := range list {
		t.Run(k.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(newSim(t, k, o)) })
		})
	}
}

func newSim(t testing.TB, k kind, o kerneltest.Options) *sim {
	s := &sim{TB: t, kind: k, release: o.Linux}
	if o.Modules == 0 {
		o.Modules = k.modules
	}
	o.Layout = k.layout
	o.OnSend = s.sent
	s.kernel = kerneltest.New(o)
	ctx, cancel := context.WithCancelCause(sock.WithKernel(context.Background(), s.kernel))
	s.ctx, s.cancel = ctx, cancel
	t.Cleanup(s.finish)
	return s
}

// finish closes the queue and checks what must hold after every test. The
// bubble itself fails if a goroutine is left.
func (s *sim) finish() {
	s.Helper()
	s.setOnSend(nil)
	if s.q != nil {
		if err := s.q.Close(); err != nil {
			s.Errorf("Close: %v", err)
		}
		s.stats()
	}
	s.cancel(nil)
	synctest.Wait()
	if n := len(s.kernel.Sockets()); n != 0 {
		s.Errorf("%d sockets are left open", n)
	}
	for i, j := range s.journeys {
		r := j.Result()
		if len(r.Verdicts) > len(r.IDs) {
			s.Errorf("packet %d: queued %d times, got %d verdicts", i, len(r.IDs), len(r.Verdicts))
		}
	}
}

// open opens the queue of the simulation.
func (s *sim) open(c queue.Config) *queue.Queue {
	s.Helper()
	q, err := s.kind.open(s.ctx, c)
	if err != nil {
		s.Fatalf("Open: %v", err)
	}
	s.q = q
	s.forget()
	return q
}

// openTelling is like open, but records the calls of OnRefused.
func (s *sim) openTelling(c queue.Config) *queue.Queue {
	s.Helper()
	c.OnRefused = func(id uint64, err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.gone = append(s.gone, refusedVerdict{id, err})
	}
	return s.open(c)
}

// refused returns the recorded calls of OnRefused.
func (s *sim) refused() []refusedVerdict {
	s.quiet()
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.gone)
}

// socket is the queue's.
func (s *sim) socket() *kerneltest.Socket {
	s.Helper()
	all := s.kernel.Sockets()
	if len(all) == 0 {
		s.Fatal("no socket is open")
	}
	return all[len(all)-1]
}

func (s *sim) sent(_ uint32, b []byte) {
	s.mu.Lock()
	s.sends = append(s.sends, slices.Clone(b))
	f := s.onSend
	s.mu.Unlock()
	if f != nil {
		f(b)
	}
}

func (s *sim) setOnSend(f func(b []byte)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onSend = f
}

// sentSoFar returns the datagrams sent since the queue was opened or forget
// was called.
func (s *sim) sentSoFar() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sends)
}

func (s *sim) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sends = nil
}

// holdSends makes each send wait in the system call until release is called.
func (s *sim) holdSends() (release func()) {
	held := make(chan struct{})
	s.setOnSend(func([]byte) { <-held })
	return sync.OnceFunc(func() {
		s.setOnSend(nil)
		close(held)
	})
}

// inject queues n packets of this kind.
func (s *sim) inject(n int) []*kerneltest.Journey {
	list := make([]*kerneltest.Journey, n)
	for i := range list {
		list[i] = s.injectPacket(kerneltest.Packet{})
	}
	return list
}

func (s *sim) injectOne() *kerneltest.Journey { return s.inject(1)[0] }

// injectPayload queues a packet of these bytes.
func (s *sim) injectPayload(b []byte) *kerneltest.Journey {
	return s.injectPacket(kerneltest.Packet{Payload: b})
}

// injectPacket queues a packet. Zero fields get their usual values.
func (s *sim) injectPacket(p kerneltest.Packet) *kerneltest.Journey {
	if p.Family == 0 {
		p.Family = s.family
	}
	if p.Queue == 0 {
		p.Queue = simNumber
	}
	if p.Payload == nil {
		p.Payload = s.datagram(32)
	}
	j := s.kernel.Inject(p)
	s.journeys = append(s.journeys, j)
	return j
}

// datagram is a correct packet of UDP in this kind's family, with n bytes of
// data.
func (s *sim) datagram(n int) []byte { return simUDP(s.family == kerneltest.IPv6, pattern(n)) }

// next returns the next packet in the channel.
func (s *sim) next() queue.Packet {
	s.Helper()
	packets := s.q.Packets()
	synctest.Wait()
	select {
	case p, ok := <-packets:
		if !ok {
			s.Fatalf("the stream has ended: %v", s.q.Err())
		}
		return p
	default:
		s.Fatalf("no packet is there; %+v", s.q.Stats())
	}
	panic("unreachable")
}

// nextN returns that many packets.
func (s *sim) nextN(n int) []queue.Packet {
	s.Helper()
	list := make([]queue.Packet, n)
	for i := range list {
		list[i] = s.next()
	}
	return list
}

// none fails the test if there is a packet in the channel.
func (s *sim) none() {
	s.Helper()
	packets := s.q.Packets()
	synctest.Wait()
	select {
	case p, ok := <-packets:
		if ok {
			s.Fatalf("packet %#x came, want none", p.ID)
		}
		s.Fatal("the stream has ended")
	default:
	}
}

// ended fails the test unless the channel is empty and closed.
func (s *sim) ended() {
	s.Helper()
	packets := s.q.Packets()
	synctest.Wait()
	select {
	case p, ok := <-packets:
		if ok {
			s.Fatalf("packet %#x came, want the end", p.ID)
		}
	default:
		s.Fatal("the stream has not ended")
	}
}

// quiet waits until nothing is on its way any more: a verdict may wait a
// little for others.
func (s *sim) quiet() {
	synctest.Wait()
	time.Sleep(200 * time.Microsecond)
	synctest.Wait()
}

// fate fails the test unless that became of the packet.
func (s *sim) fate(j *kerneltest.Journey, want kerneltest.Fate) {
	s.Helper()
	s.quiet()
	if got := j.Fate(); got != want {
		s.Errorf("fate is %v, want %v", got, want)
	}
}

func (s *sim) fates(list []*kerneltest.Journey, want kerneltest.Fate) {
	s.Helper()
	s.quiet()
	for i, j := range list {
		if got := j.Fate(); got != want {
			s.Errorf("fate of packet %d is %v, want %v", i, got, want)
		}
	}
}

// stats returns the queue's counters, whose sum must be right at any quiet
// moment.
func (s *sim) stats() queue.Stats {
	s.Helper()
	s.quiet()
	n := s.q.Stats()
	checkSum(s, n)
	return n
}

func checkSum(t testing.TB, n queue.Stats) {
	t.Helper()
	sum := n.Decided + n.Undecided + n.Expired + n.Overflowed + n.Damaged + n.Gone + n.Abandoned
	if n.Received != sum {
		t.Errorf("%d packets received, %d accounted for: %+v", n.Received, sum, n)
	}
}

// ok fails the test if there is an error.
func (s *sim) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}
