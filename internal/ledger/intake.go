package ledger

// An Intake is the reader's side of a ledger. The reader takes slots for the
// packets of one read without a lock, and enters them all under one. An Intake
// belongs to one goroutine at a time.
type Intake struct {
	ledger  *Ledger
	stash   freeList // slots for the next packets
	filled  []*Slot  // taken, not yet entered
	damaged []*Slot  // those of them that are to be decided at once
	seq     uint64   // of the packet taken last
	spares  int      // receive buffers made for packets that could have been copied
	created int      // slots made since the last Enter
}

// NewIntake returns the one Intake of l.
func NewIntake(l *Ledger) *Intake { return &Intake{ledger: l} }

// Slot takes a slot for the next packet, of size bytes, and numbers it. If
// whole is true the packet stays in the buffer it was received in, for which
// the slot's buffer, if it has one, is to be exchanged; otherwise it is to be
// copied.
//
// The smallest packets are copied as fast as they are handed over in the buffer
// they came in. Larger ones keep that while there are spare buffers.
func (in *Intake) Slot(id uint64, size int) (s *Slot, seq uint64, whole bool) {
	class := classFor(size)
	if class > 0 && class < bigClass {
		if len(in.stash[bigClass]) > 0 {
			class = bigClass
		} else if in.spares < spareBuffers {
			in.spares++
			class = bigClass
		}
	}
	if len(in.stash[class]) == 0 {
		in.makeSlots(class)
	}
	s = in.stash.pop(class)
	in.seq++
	s.ID, s.cause, s.carries, s.superseded, s.gap, s.arrived = id, ByApplication, false, false, false, 0
	s.Message = s.Message[:0]
	in.filled = append(in.filled, s)
	return s, in.seq, class == bigClass
}

// makeSlots adds slots of a class to the stash, several at once unless they
// are large.
func (in *Intake) makeSlots(class int) {
	size, n := 0, 1
	if class < bigClass {
		size = classSize[class]
		n = chunkBytes / size
	}
	slots, memory := make([]Slot, n), make([]byte, n*size)
	for i := range slots {
		s := &slots[i]
		s.ledger, s.class = in.ledger, uint8(class)
		s.Buf, memory = memory[:size:size], memory[size:]
		in.stash.push(s)
	}
	in.created += n
}

// Arrived notes when the packet taken last arrived, by the ledger's clock, and
// whether the kernel had packets just before it that did not arrive.
func (in *Intake) Arrived(at int64, gap bool) {
	s := in.filled[len(in.filled)-1]
	s.arrived, s.gap = at, gap
}

// Damaged has the packet taken last decided as soon as it is entered.
func (in *Intake) Damaged(a Action) {
	s := in.filled[len(in.filled)-1]
	s.cause, s.verdict = ByDamage, Verdict{Action: a}
	in.damaged = append(in.damaged, s)
}

// Enter makes the packets known that were taken since the last call: from now
// on they can be decided and are accounted for. flowing reports that the
// application is about to see several packets, whose verdicts should travel
// together. Enter returns how many packets are undecided.
func (in *Intake) Enter(flowing bool) (undecided int) {
	l := in.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	seq := in.seq - uint64(len(in.filled))
	for i, s := range in.filled {
		seq++
		l.arrive(s, seq)
		in.filled[i] = nil
	}
	l.slots += in.created
	l.slots -= l.free.drop(max(l.slots-l.maxUndecided-spareSlots, 0))
	l.flowing = flowing
	l.free.stock(&in.stash)
	l.watchDeadline()
	for i, s := range in.damaged {
		in.damaged[i] = nil
		if s.take() {
			l.push(s, s.verdict)
		}
	}
	if len(in.damaged) > 0 {
		l.out.flushNow()
	}
	in.filled, in.damaged, in.created = in.filled[:0], in.damaged[:0], 0
	return l.arrivals.n
}

// Trim forgets the slots that are free. It is for a queue that has been idle
// for long.
func (in *Intake) Trim() {
	l := in.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slots -= l.free.empty() + in.stash.empty()
	in.spares = 0
}

// SocketEmpty reports that nothing was left to read after the packets entered:
// no more packets are on their way to the application now.
func (in *Intake) SocketEmpty() {
	l := in.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out.emptyAt = in.seq
	l.rest()
}
