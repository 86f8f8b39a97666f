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

// A Queue is an open packet queue of the kernel. Its methods may be called
// from any goroutine at any time.
type Queue struct {
	cfg  Config
	name string

	backend  backend
	life     life
	ledger   *ledger.Ledger
	reader   reader
	stream   stream
	keeper   keeper
	links    links
	refusals teller[refusal]
	expiries teller[Packet]

	conntrackSkipped atomic.Uint64

	readBuffer int
	lastStatus KernelStats
}

// newQueue puts a queue together that is not yet open.
func newQueue(c Config, host sock.Kernel, b backend, name string) *Queue {
	q := &Queue{cfg: c, name: name, backend: b}
	q.life.init()
	listener := ledger.Listener{
		Refused: q.tellRefused,
		Expired: q.packetExpired,
		Dead:    func(err error) { q.fail("verdict", q.explain(err)) },
		Drained: func() { go q.shut() },
	}
	if c.OnRefused != nil {
		q.refusals.call = func(r refusal) { c.OnRefused(r.id, r.err) }
	}
	if c.OnExpired != nil {
		q.expiries.call = c.OnExpired
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
		refused:  func(id uint64, errno errno) { q.tellRefused(id, errno) },
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

// openSlack is how many packets may come before the kernel's answer to Open
// without regard to MaxUndecided: nobody could decide them. No queue holds more.
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
		_, _ = s.Status(nil, 0) // opens the file now if bind had the module loaded
	}
	r.room, r.slack = 0, 0
	return err
}

// watchDevices begins what the first call of Device.Name would.
func (q *Queue) watchDevices() error {
	_, err := q.links.start()
	return explainWatch(err)
}

// explain adds to an error what to do about it. If the queue died of another
// error meanwhile, it explains that one.
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

// opened is the end of Open.
func (q *Queue) opened(ctx context.Context, err error) (*Queue, error) {
	if err != nil {
		return nil, q.opError("open", err)
	}
	q.watch(ctx)
	q.keeper.start()
	return q, nil
}

// packetExpired is told by the ledger of a packet that the deadline decided.
func (q *Queue) packetExpired(s *ledger.Slot) {
	q.keeper.stale.Store(true)
	q.stream.packetExpired()
	if q.cfg.OnExpired != nil {
		q.tellExpired(s)
	}
}

// Backend returns which of the kernel's two queues q is: IPQueue or NFQueue, also
// if Config.Backend was Auto.
func (q *Queue) Backend() Backend { return q.cfg.Backend }

// Number returns the number of the nfnetlink_queue. It is 0 for ip_queue.
func (q *Queue) Number() uint16 { return q.cfg.Number }

// Packets returns the channel on which the packets arrive, the same one at
// each call. Any number of goroutines may receive from it. It is closed when
// the stream ends; Err then returns why.
//
// The first call starts the one goroutine that reads the kernel's queue. While
// the channel is full it waits, unless Config.WhenFull says otherwise. Every
// packet needs a verdict: see Packet.
//
// Packets panics if All is in use.
func (q *Queue) Packets() <-chan Packet { return q.stream.channel(q.cfg.Buffer) }

// All returns the same stream as Packets for a loop on the caller's own
// goroutine, which reads the kernel's queue itself: there is no other
// goroutine and no channel between. The loop ends when the stream does; Err
// then returns why. A break leaves the queue open, and a later loop goes on
// where this one stopped; between loops nothing is read, unless Config.Deadline
// is set.
//
// One loop may run at a time. A second one, or a call after Packets, panics.
func (q *Queue) All() iter.Seq[Packet] {
	return func(yield func(Packet) bool) { q.stream.each(yield) }
}

// Err returns why the stream ended: nil after Close or the plain cancellation
// of the context, the context's cause if it ended otherwise (by a deadline, for
// example), else what went wrong. It is final once the channel is closed or the
// loop over All has ended by itself, and nil before.
func (q *Queue) Err() error {
	_, err := q.life.ended()
	return err
}

// SetMode changes how much of each further packet is copied (ipq_set_mode),
// and returns what the kernel answered. It waits for that answer until ctx
// ends; after a loss it asks again. It may be called from the loop that ranges
// over the packets, whether or not the channel is full; packets that arrive
// meanwhile are kept, in order.
//
// Errors: ErrInvalid for an unknown mode, ErrClosed, the cause of ctx's end, or
// the kernel's errno; also ENOBUFS if the answer lies behind more packets than
// Config.MaxUndecided leaves room for.
func (q *Queue) SetMode(ctx context.Context, m Mode) error {
	if err := m.check(); err != nil {
		return q.opError("set mode", err)
	}
	return q.opError("set mode", q.reader.setMode(ctx, m))
}

// Stats returns the queue's counters, taken at one moment, and the kernel's,
// read a little later. It may be called from anywhere, also after Close. While
// the queue closes it waits for the end of that, which does not wait for the
// application: what it returns after the stream has ended by Close is final.
func (q *Queue) Stats() Stats {
	if q.life.isAt(closing) {
		<-q.life.done
	}
	s := statsOf(q.ledger.Counts(), &q.reader.counts)
	s.ConntrackSkipped = q.conntrackSkipped.Load()
	s.ReadBuffer = q.readBuffer
	s.Kernel = q.kernelRow()
	s.LostAnswers = q.reader.counts.lostAnswers.Load()
	s.Untold = q.refusals.untold.Load() + q.expiries.untold.Load()
	return s
}

// kernelRow is the kernel's row, or the last one once the queue closes. What
// cannot be read may have gone by that.
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

// status reads the kernel's row. Errors that come from the end of the queue are
// not told apart from others.
func (q *Queue) status() KernelStats {
	drops, dropsErr := q.reader.sock.Drops()
	k, err := q.backend.status(&q.reader.status)
	if err == nil && dropsErr == nil && k.LastID != 0 { // only nfnetlink_queue numbers packets
		q.reader.counts.note(drops, k)
	}
	k.Err = q.opError("status", explainStatus(err))
	return k
}

// A refusal is a verdict that the kernel did not carry out.
type refusal struct {
	id  uint64
	err error
}

// tellRefused calls Config.OnRefused soon.
func (q *Queue) tellRefused(id uint64, err error) {
	if q.refusals.call != nil {
		q.refusals.tell(refusal{id, q.opError("verdict", err)})
	}
}

// tellExpired calls Config.OnExpired soon. The slot's packet was received when the
// function was known.
func (q *Queue) tellExpired(s *ledger.Slot) { q.expiries.tell(*s.Memo.(*aside).packet) }

// opError wraps err, and maps nil to nil.
func (q *Queue) opError(op string, err error) error {
	if err == nil {
		return nil
	}
	return &OpError{Op: op, Queue: q.name, Err: err}
}
