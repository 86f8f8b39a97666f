package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A model is a kernel's queue, and what each of its packets should get.
type model struct {
	testing.TB
	reuses bool

	rng *rand.Rand // of the test's goroutine

	mu     sync.Mutex
	chance *rand.Rand
	held   []*held // in the order of their ids
	lastID uint64
	fail   int   // so many sends fail
	errno  error // with this error
	longer int   // EMSGSIZE for datagrams that are longer
}

// A held is a packet that the kernel holds.
type held struct {
	id   uint64
	slot *Slot
	seq  uint64
	want Verdict // zero until some call has succeeded
	by   Cause
	got  bool
}

const acceptAction, dropAction = Action(1), Action(2)

// queue queues a packet. The caller holds mu.
func (m *model) queue() *held {
	m.lastID++
	if m.rng.IntN(20) == 0 {
		m.lastID += uint64(m.rng.IntN(3)) // packets that could not be delivered
	}
	h := &held{id: m.lastID}
	m.held = append(m.held, h)
	return h
}

// send takes verdicts, as the kernel does.
func (m *model) send(datagrams [][]byte) (int, error) {
	m.mu.Lock()
	takes := time.Duration(m.chance.IntN(3)) * 10 * time.Microsecond
	m.mu.Unlock()
	time.Sleep(takes)
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, d := range datagrams {
		switch {
		case m.longer > 0 && len(d) > m.longer:
			return i, syscall.EMSGSIZE
		case m.fail > 0 && m.chance.IntN(2) == 0:
			m.fail--
			return i, m.errno
		}
		for ; len(d) > 0; d = d[16:] {
			m.verdict(d)
		}
	}
	return len(datagrams), nil
}

func (m *model) verdict(b []byte) {
	id, mark, last := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:])
	action, n := Action(last&0xff), int(last>>8)
	decided := 0
	m.held = slices.DeleteFunc(m.held, func(h *held) bool {
		if n == 1 && h.id != id || h.id > id {
			return false
		}
		decided++
		h.got = true
		if h.slot == nil {
			m.Errorf("packet %d was decided before it was read", h.id)
		} else if h.want.Action != action || h.want.MarkMask != 0 && h.want.Mark != mark {
			m.Errorf("packet %d got action %d and mark %#x, want %+v", h.id, action, mark, h.want)
		}
		return true
	})
	if decided != n {
		m.Errorf("a verdict for %d packets up to %d decided %d", n, id, decided)
	}
}

// A history is a ledger, used at random.
type history struct {
	*model
	l    *Ledger
	in   *Intake
	all  []*held
	open []*held  // read and, as far as is known, undecided
	lost []uint64 // verdicts that no send could carry
}

func newHistory(t testing.TB, seed uint64, reuses bool, deadline time.Duration) *history {
	h := &history{model: &model{TB: t, reuses: reuses, rng: rand.New(rand.NewPCG(seed, 0)), chance: rand.New(rand.NewPCG(seed, 1))}}
	var asked atomic.Int32
	start := time.Now()
	h.l = New(Config{
		Encoder: randomEncoder{oneEach: reuses}, MaxUndecided: 1 << 20, ReusesIDs: reuses,
		Send:     h.send,
		Request:  func(d [][]byte) (int, error) { return len(d), nil },
		Clock:    func() int64 { return int64(time.Since(start)) },
		Backlog:  func() bool { return asked.Add(1)%4 == 0 },
		Deadline: deadline, OnDeadline: dropAction,
		Listener: Listener{
			Refused: func(id uint64, err error) { h.lost = append(h.lost, id) },
			Expired: func(s *Slot, _ uint64) { h.decided(s.Memo.(*held), Verdict{Action: dropAction}, ByDeadline) },
			Dead:    func(err error) { h.model.Errorf("dead: %v", err) },
			Drained: func() {},
		},
	})
	h.in = NewIntake(h.l)
	return h
}

// A randomEncoder is a plainEncoder of a kernel's queue that may take verdicts
// one by one.
type randomEncoder struct {
	plainEncoder
	oneEach bool
}

func (e randomEncoder) OneEach() bool { return e.oneEach }
func (e randomEncoder) Batches(v Verdict) bool {
	return !e.oneEach && (v.Action == acceptAction || v.Action == dropAction)
}

// decided notes what a packet should get.
func (m *model) decided(h *held, v Verdict, by Cause) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h.want, h.by = v, by
}

// deciding notes what a packet should get from a call that is still to be made,
// since the verdict may be sent before the call returns. A packet that has been
// decided keeps its verdict; then deciding returns false.
func (m *model) deciding(h *held, v Verdict, by Cause) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if h.want != (Verdict{}) {
		return false
	}
	h.want, h.by = v, by
	return true
}

// decidedBy returns what decided a packet.
func (m *model) decidedBy(h *held) Cause {
	m.mu.Lock()
	defer m.mu.Unlock()
	return h.by
}

// read reads up to n packets of the kernel's queue.
func (h *history) read(n int) {
	h.mu.Lock()
	var unread []*held
	for _, p := range h.held {
		if p.slot == nil {
			unread = append(unread, p)
		}
	}
	unread = unread[:min(n, len(unread))]
	last := h.in.seq
	for _, p := range unread {
		size := [...]int{10, 300, 1000, 3000, 9000}[h.rng.IntN(5)]
		s, seq, whole := h.in.Slot(p.id, size)
		if whole && len(s.Buf) == 0 {
			s.Buf = make([]byte, 9000)
		}
		s.Buf[0] = byte(p.id)
		s.Memo, s.Mark = p, uint32(p.id)
		p.slot, p.seq = s, seq
		gap := len(h.all) > 0 && p.id != h.all[len(h.all)-1].id+1
		h.in.Arrived(h.l.clock(), gap)
		h.all = append(h.all, p)
		h.open = append(h.open, p)
	}
	h.mu.Unlock()
	if last != h.in.seq || h.rng.IntN(4) == 0 {
		h.in.Enter(h.rng.IntN(2) == 0)
	}
	if len(unread) < n {
		h.mu.Lock()
		empty := !slices.ContainsFunc(h.held, func(p *held) bool { return p.slot == nil })
		h.mu.Unlock()
		if empty {
			h.in.SocketEmpty()
		}
	}
}

// verdict is a random one.
func (h *history) randomVerdict() Verdict {
	v := Verdict{Action: [...]Action{acceptAction, acceptAction, acceptAction, dropAction, 3}[h.rng.IntN(5)]}
	if h.rng.IntN(3) == 0 {
		v.Mark, v.MarkMask = uint32(h.rng.IntN(2)), ^uint32(0)
	}
	return v
}

// step does something at random.
func (h *history) step() {
	switch h.rng.IntN(12) {
	case 0, 1:
		h.mu.Lock()
		for range h.rng.IntN(30) {
			h.queue()
		}
		h.mu.Unlock()
	case 2, 3:
		h.read(h.rng.IntN(64))
	case 4, 5, 6:
		for range h.rng.IntN(40) {
			h.decide(h.rng.IntN(2) == 0)
		}
	case 7:
		h.decideUpTo()
	case 8:
		if p := h.pick(); p != nil {
			h.l.mu.Lock()
			if p.slot.isOpen(p.seq) {
				h.decided(p, Verdict{Action: acceptAction}, ByWhenFull)
			}
			h.l.mu.Unlock()
			p.slot.Impose(p.seq, acceptAction, ByWhenFull)
		}
	case 9:
		h.mu.Lock()
		h.fail, h.errno = h.rng.IntN(4), [...]error{syscall.ENOBUFS, syscall.EAGAIN, syscall.ENOMEM}[h.rng.IntN(3)]
		h.longer = [...]int{0, 0, 0, 500, 100}[h.rng.IntN(5)]
		h.mu.Unlock()
	case 10:
		time.Sleep(time.Duration(h.rng.IntN(20)) * 10 * time.Microsecond) // as others wake up
	case 11:
		if h.reuses {
			h.dropAndReuse()
		}
	}
}

// pick returns some packet, most often one that is undecided.
func (h *history) pick() *held {
	if len(h.open) == 0 {
		return nil
	}
	i := 0
	if h.rng.IntN(3) == 0 {
		i = h.rng.IntN(len(h.open))
	}
	p := h.open[i]
	if h.rng.IntN(8) > 0 {
		h.open = slices.Delete(h.open, i, i+1)
	}
	return p
}

// decide gives a packet a verdict, with a claim or without.
func (h *history) decide(claim bool) {
	p := h.pick()
	if p == nil {
		return
	}
	v := h.randomVerdict()
	var first bool // nothing had decided the packet before
	var err error
	if !claim {
		first = h.deciding(p, v, ByApplication)
		err = p.slot.Decide(p.seq, v)
	} else if err = p.slot.Claim(p.seq); err == nil {
		if h.rng.IntN(4) == 0 {
			p.slot.GiveBack()
			return
		}
		first = h.deciding(p, v, ByApplication)
		err = p.slot.Submit(v, false)
	}
	switch {
	case err == nil:
		if !first {
			h.Errorf("packet %d was decided twice", p.id)
		}
	case errors.Is(err, ErrDecided) && (!first || h.decidedBy(p) == ByDeadline):
	case errors.Is(err, ErrGone) && h.reuses:
		if first {
			h.decided(p, Verdict{}, 0)
		}
	default:
		h.Errorf("packet %d: %v", p.id, err)
	}
}

// decideUpTo gives many packets one verdict.
func (h *history) decideUpTo() {
	p := h.pick()
	if p == nil {
		return
	}
	v := h.randomVerdict()
	var open []*held
	for _, o := range h.all {
		if o.seq <= p.seq && !o.gone() && h.deciding(o, v, ByApplication) {
			open = append(open, o)
		}
	}
	n, err := h.l.DecideUpTo(p.seq, v, nil)
	want := len(open)
	for _, o := range open {
		if h.decidedBy(o) == ByDeadline {
			want--
		}
	}
	if n != want || err != nil {
		h.Errorf("DecideUpTo decided %d packets, %v, want %d", n, err, want)
	}
}

func (h *held) gone() bool {
	h.slot.ledger.mu.Lock()
	defer h.slot.ledger.mu.Unlock()
	return h.slot.seq == h.seq && h.slot.state == gone
}

// dropAndReuse makes the kernel drop a packet and give its id to the next one,
// which is read before another verdict is sent.
func (h *history) dropAndReuse() {
	h.l.mu.Lock()
	busy := h.l.out.busy()
	if !busy {
		h.l.out.requests++ // no send begins
	}
	h.l.mu.Unlock()
	if busy {
		return
	}
	defer func() {
		h.l.mu.Lock()
		defer h.l.mu.Unlock()
		h.l.out.requests--
		h.l.out.flushNow()
	}()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.held) == 0 || h.held[0].slot == nil {
		return
	}
	old := h.held[0]
	p := &held{id: old.id}
	h.held[0] = p
	s, seq, _ := h.in.Slot(p.id, 10)
	s.Memo, s.Mark = p, uint32(p.id)
	h.in.Arrived(h.l.clock(), false)
	p.slot, p.seq = s, seq
	h.all, h.open = append(h.all, p), append(h.open, p)
	h.l.mu.Lock()
	h.l.arrive(s, seq)
	h.in.filled = h.in.filled[:0]
	h.l.mu.Unlock()
}

// end closes the ledger and looks whether every packet got what it should.
func (h *history) end() {
	h.read(1 << 20)
	h.read(1 << 20)
	last := [...]Action{0, acceptAction}[h.rng.IntN(2)]
	h.l.Shut()
	for _, p := range h.all {
		if err := p.slot.Decide(p.seq, Verdict{Action: acceptAction}); !errors.Is(err, ErrClosed) {
			h.Fatalf("a verdict after Shut: %v, want ErrClosed", err)
		}
		if last != 0 {
			h.deciding(p, Verdict{Action: last}, ByClose)
		}
	}
	h.mu.Lock()
	h.fail, h.longer = 0, 0
	h.mu.Unlock()
	if !h.l.Settle(last) {
		h.Errorf("Settle reports that verdicts were not sent")
	}
	h.l.Close(dropAction)
	synctest.Wait()

	by := [Causes]uint64{}
	left, lostGone := 0, uint64(0)
	for _, p := range h.all {
		switch lost := slices.Contains(h.lost, p.id); {
		case p.got:
			by[p.by]++
		case p.gone():
			lostGone++
		case lost:
			by[p.by]++
		default:
			left++
			if last != 0 || p.want != (Verdict{}) {
				h.Errorf("packet %d got no verdict, want %+v by %d", p.id, p.want, p.by)
			}
		}
	}
	c := h.l.Counts()
	sum := c.Undecided + c.Gone + c.Abandoned
	for _, n := range c.By {
		sum += n
	}
	if c.Received != sum || c.Received != uint64(len(h.all)) || c.Undecided != 0 {
		h.Errorf("%d packets read, %d received, %d accounted for, %d undecided", len(h.all), c.Received, sum, c.Undecided)
	}
	if c.By != by || c.Abandoned != uint64(left) || c.Gone != lostGone {
		h.Errorf("by %v, %d abandoned, %d gone, want %v, %d and %d", c.By, c.Abandoned, c.Gone, by, left, lostGone)
	}
}

// TestHistories uses ledgers at random, in virtual time, and compares what the
// kernel got with what was asked for.
func TestHistories(t *testing.T) {
	for _, reuses := range []bool{false, true} {
		for _, deadline := range []time.Duration{0, 2 * time.Millisecond} {
			if reuses && deadline > 0 {
				continue // which of the two ends a packet depends on the moment
			}
			for seed := range uint64(60) {
				t.Run(fmt.Sprint(reuses, deadline, seed), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						h := newHistory(t, seed, reuses, deadline)
						for range 300 {
							h.step()
							synctest.Wait()
						}
						h.end()
					})
				})
			}
		}
	}
}
