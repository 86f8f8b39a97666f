package queue

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"time"

	"github.com/ipqueue/ipqueue/internal/ledger"
	"github.com/ipqueue/ipqueue/internal/sock"
)

// A Queue is an open packet queue of the kernel. Open and OpenGroup create it;
// the zero Queue is not usable. Its methods may be called from any goroutine at
// any time.
type Queue struct {
	cfg  Config
	name string

	backend   backend
	life      life
	ledger    *ledger.Ledger
	reader    reader
	stream    stream
	keeper    keeper
	links     links
	onRefused callback[refusal]
	onExpired callback[Packet]

	conntrackSkipped atomic.Uint64

	readBuffer int
	lastStatus KernelStats
}

// newQueue returns a queue that is not open yet.
func newQueue(c Config, host sock.Kernel, b backend, name string) *Queue {
	q := &Queue{cfg: c, name: name, backend: b}
	q.life.init()
	listener := ledger.Listener{
		Refused: q.verdictRefused,
		Expired: q.packetExpired,
		Dead:    func(err error) { q.fail("verdict", q.explain(err)) },
		Drained: func() { go q.shut() },
	}
	if c.OnRefused != nil {
		q.onRefused.f = func(r refusal) { c.OnRefused(r.id, r.err) }
	}
	if c.OnExpired != nil {
		q.onExpired.f = c.OnExpired
	}
	var clock func() int64
	if c.Deadline > 0 || c.TrackAge {
		born := time.Now()
		clock = func() int64 { return int64(time.Since(born)) }
	}
	l := ledger.New(ledger.Config{
		Encoder:      b,
		Listener:     listener,
		Send:         func(datagrams [][]byte) (int, error) { return q.reader.sock.Send(datagrams) },
		Request:      func(datagrams [][]byte) (int, error) { return q.reader.sock.Request(datagrams) },
		Clock:        clock,
		Backlog:      q.stream.hasBacklog,
		Owner:        q,
		MaxUndecided: c.MaxUndecided,
		ReusesIDs:    b.reusesIDs(),
		Deadline:     c.Deadline,
		OnDeadline:   ledger.Action(c.OnDeadline),
	})
	q.ledger = l
	q.reader = reader{
		binding: binding{cfg: c, host: host},
		backend: b, life: &q.life, ledger: l, intake: ledger.NewIntake(l), clock: clock,
		released: q.keeper.goOn,
		fail:     q.fail,
		refused:  func(id uint64, errno errno) { q.verdictRefused(id, errno) },
	}
	if c.OnExpired != nil {
		q.reader.spent = l.Spent()
	}
	q.reader.init()
	q.stream = stream{reader: &q.reader, life: &q.life, ledger: l, whenFull: c.WhenFull}
	q.stream.init()
	q.keeper.init(&q.reader)
	return q
}

// openSlack is the number of packets, in addition to MaxUndecided, that may be
// received before the kernel's answer to Open: the application cannot decide
// any yet. No kernel queue holds more.
const openSlack = 1 << 16

// open opens the socket and makes it the queue's owner.
func (q *Queue) open(ctx context.Context, c sock.Config) error {
	r := &q.reader
	s, err := r.host.Open(c)
	if err != nil {
		return q.explain(err)
	}
	r.sock = s
	r.status.sock = s
	q.links.init(s)
	q.readBuffer = s.ReadBuffer()
	r.slack = openSlack
	if err = q.backend.bind(ctx, &r.binding); err != nil {
		err = q.explain(err)
	} else if q.cfg.WatchDevices && q.backend.indexes() {
		err = q.watchDevices()
	}
	if err != nil {
		_ = q.Close()
	} else {
		_, _ = s.Status(nil, 0) // opens the file, which appears when bind loads the module
	}
	r.room, r.slack = 0, 0
	return err
}

// watchDevices starts what the first call of Device.Name starts otherwise.
func (q *Queue) watchDevices() error {
	_, err := q.links.start()
	return explainWatch(err)
}

// explain adds to an error what to do about it. If err is ErrClosed because
// another error closed the queue, explain explains that one.
func (q *Queue) explain(err error) error {
	if died := q.life.why(); died != nil && errors.Is(err, ErrClosed) {
		err = errors.Unwrap(died)
	}
	var done *explained
	if errors.As(err, &done) {
		return err
	}
	return q.backend.explain(&q.reader.binding, err)
}

// opened completes Open.
func (q *Queue) opened(ctx context.Context, err error) (*Queue, error) {
	if err != nil {
		return nil, q.opError("open", err)
	}
	q.watch(ctx)
	q.keeper.start()
	return q, nil
}

// packetExpired is called by the ledger, with its mutex held, for a packet that
// the deadline decided.
func (q *Queue) packetExpired(s *ledger.Slot, seq uint64) {
	q.keeper.stale.Store(true)
	q.stream.packetExpired(seq)
	if q.onExpired.f != nil {
		q.onExpired.later(*s.Memo.(*aside).packet)
	}
}

// Backend returns which kind of kernel queue q is: IPQueue or NFQueue, even if
// Config.Backend was Auto.
func (q *Queue) Backend() Backend { return q.cfg.Backend }

// Number returns the number of the nfnetlink_queue. It returns 0 for ip_queue.
func (q *Queue) Number() uint16 { return q.cfg.Number }

// Packets returns the channel that delivers the packets. It returns the same
// channel at each call, and any number of goroutines may receive from it. The
// channel is closed when the stream of packets ends; Err then returns the
// reason.
//
// The first call starts the goroutine that reads the kernel's queue. While the
// channel is full, that goroutine waits, unless Config.WhenFull is set. Every
// packet needs a verdict: see Packet.
//
// Packets panics if the packets are taken with All or by a Group.
func (q *Queue) Packets() <-chan Packet { return q.stream.channel(q.cfg.Buffer) }

// All returns an iterator over the packets. It reads the kernel's queue on the
// goroutine of the loop, without another goroutine or a channel in between. The
// loop ends when the stream of packets ends; Err then returns the reason. After
// a break the queue is still open, and a later loop continues where the last
// one stopped. Between loops nothing is read, unless Config.Deadline is set.
// Every packet needs a verdict: see Packet.
//
// Only one loop may run at a time. A loop panics if another one is running, or
// if the packets are taken with Packets or by a Group.
func (q *Queue) All() iter.Seq[Packet] {
	return func(yield func(Packet) bool) { q.stream.each(yield) }
}

// Err returns why the stream of packets ended. It returns nil after Close and
// after an ordinary cancellation of the context, for example by a signal (not
// with Go 1.26.0 to 1.26.2, whose signal.NotifyContext sets a cause that is no
// cancellation). If the context ended in another way, for example at its
// deadline, Err returns the cause; if the queue failed, it returns the failure.
// Before the channel is closed, or the loop over All has ended without a break,
// Err returns nil. Afterwards its result does not change.
func (q *Queue) Err() error {
	_, err := q.life.ended()
	return err
}

// SetMode changes how much of each packet the kernel copies (ipq_set_mode), for
// packets that the kernel queues from then on. It waits for the answer of the
// kernel until ctx ends, and repeats the request if the answer is lost. SetMode
// may be called from the loop that receives the packets, even if the channel is
// full: the queue keeps packets that arrive meanwhile, in order.
//
// SetMode fails with ErrInvalid if m is not a valid mode, with ErrClosed, with
// an error that matches both ctx.Err() and the cause if ctx ended, or with the
// errno of the kernel. It fails with ENOBUFS if the answer is behind more
// packets than Config.MaxUndecided allows; then decide some packets first.
func (q *Queue) SetMode(ctx context.Context, m Mode) error {
	if err := m.check(); err != nil {
		return q.opError("set mode", err)
	}
	return q.opError("set mode", q.reader.setMode(ctx, m))
}

// Stats returns the counters of the queue. Those that add up are of one moment;
// the others, and those of the kernel, are read shortly afterwards. Stats reads
// a file in /proc, so call it at intervals rather than for each packet. It may
// also be called after Close, and then returns the final counters. While the
// queue closes, Stats waits until it is closed, which does not depend on the
// program.
func (q *Queue) Stats() Stats {
	if q.life.isAt(closing) {
		<-q.life.done
	}
	s := statsOf(q.ledger.Counts(), &q.reader.counts)
	s.ConntrackSkipped = q.conntrackSkipped.Load()
	s.ReadBuffer = q.readBuffer
	s.Kernel = q.kernelRow()
	s.LostAnswers = q.reader.counts.lostAnswers.Load()
	s.CallsSkipped = q.onRefused.skipped.Load() + q.onExpired.skipped.Load()
	return s
}

// kernelRow returns the row of the kernel, or the last one if the queue is
// closing: an error of reading may then be a result of the closing.
func (q *Queue) kernelRow() KernelStats {
	if !q.life.isAt(closing) {
		k := q.status()
		if k.Err == nil || !q.life.isAt(closing) {
			return k
		}
	}
	<-q.life.done
	return q.lastStatus
}

// status reads the row of the kernel. If the queue closes meanwhile, Err is the
// resulting error.
func (q *Queue) status() KernelStats {
	drops, dropsErr := q.reader.sock.Drops()
	delivered := q.reader.counts.delivered()
	k, err := q.backend.status(&q.reader.status)
	if err == nil && dropsErr == nil && k.LastID != 0 { // only nfnetlink_queue numbers packets
		q.reader.counts.note(drops, delivered, k)
	}
	k.Err = q.opError("status", explainStatus(err))
	return k
}

// A refusal is a verdict that the kernel did not carry out.
type refusal struct {
	id  uint64
	err error
}

// verdictRefused makes the callback call Config.OnRefused.
func (q *Queue) verdictRefused(id uint64, err error) {
	if q.onRefused.f != nil {
		q.onRefused.later(refusal{id, q.opError("verdict", err)})
	}
}

// opError wraps err, and maps nil to nil.
func (q *Queue) opError(op string, err error) error {
	if err == nil {
		return nil
	}
	return &OpError{Op: op, Queue: q.name, Err: err}
}
