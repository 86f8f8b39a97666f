package ledger

// An Intake is the reader's side of a ledger. The reader takes slots for the
// packets of one read without a lock, and then enters all of them while it
// holds the mutex once. Only one goroutine at a time may use an Intake.
type Intake struct {
	ledger  *Ledger
	stash   freeList // slots for the next packets
	filled  []*Slot  // slots taken but not yet entered
	damaged []*Slot  // those among them to be decided by Enter
	seq     uint64   // sequence number of the last packet
	spares  int      // number of slots with a receive buffer made for packets small enough to copy, or in use at the last Trim
	created int      // number of slots made since the last Enter
}

// NewIntake returns the Intake of l. There must be only one.
func NewIntake(l *Ledger) *Intake { return &Intake{ledger: l} }

// Slot takes a slot for the next packet, which has size bytes, and assigns the
// sequence number seq to the packet. If whole is true, the packet stays in the
// buffer into which it was received, and the caller exchanges that buffer for
// the one of the slot, if it has one. Otherwise the caller copies the packet
// into the slot.
//
// Copying the smallest packets is as fast as exchanging buffers. Larger ones
// are exchanged while there are spare buffers.
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

// makeSlots adds slots of a class to the stash: several at once, unless they
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

// Arrived records when the last packet arrived, by the ledger's clock, and
// whether packets just before it were not delivered.
func (in *Intake) Arrived(at int64, gap bool) {
	s := in.filled[len(in.filled)-1]
	s.arrived, s.gap = at, gap
}

// Damaged makes Enter decide the last packet.
func (in *Intake) Damaged(a Action) {
	s := in.filled[len(in.filled)-1]
	s.cause, s.verdict = ByDamage, Verdict{Action: a}
	in.damaged = append(in.damaged, s)
}

// Enter adds the packets taken since the last call to the ledger: from now on
// they can be decided and are counted. flowing means that the application is
// about to receive several packets, whose verdicts should be sent together.
// Enter returns the number of undecided packets.
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

// Trim drops the free slots of a queue that has been idle for some time. It
// returns the number of the other slots.
func (in *Intake) Trim() (left int) {
	l := in.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slots -= l.free.empty() + in.stash.empty()
	in.spares = l.arrivals.big
	if l.ids != nil {
		l.ids.fit()
	}
	return l.slots
}

// SocketEmpty reports that the socket is empty after the packets entered: no
// more packets are on their way to the application now.
func (in *Intake) SocketEmpty() {
	l := in.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out.emptyAt = in.seq
	l.rest()
}
