package kerneltest

import "bytes"

// A judgement is a parsed verdict message.
type judgement struct {
	attributes
	word, id uint32
	seq      uint32
}

// judge parses the common part of single and batch verdicts. As in the kernel, it
// looks up the queue before it checks the verdict.
func (q *nfq) judge(from sender, h header, number uint16, b []byte, p policy) (*nfqQueue, judgement, Errno) {
	g := judgement{seq: h.seq}
	var errno Errno
	if g.attributes, errno = parseAttributes(b, attrMax, p); errno != 0 {
		return nil, g, errno
	}
	queue, errno := q.owned(from, number)
	if errno != 0 {
		return nil, g, errno
	}
	if errno := q.k.faults.refuseVerdict(); errno != 0 {
		return nil, g, errno
	}
	v := g.attributes[attrVerdictHeader]
	if v == nil {
		return nil, g, errInval
	}
	g.word, g.id = network.Uint32(v), network.Uint32(v[4:])
	if low := g.word & verdictMask; low > verdictStop || low == verdictStolen {
		return nil, g, errInval
	}
	if !q.k.opts.Linux.hasPriority() {
		g.attributes[attrPriority] = nil
	}
	return queue, g, 0
}

// verdict handles NFQNL_MSG_VERDICT (nfqnl_recv_verdict).
func (q *nfq) verdict(from sender, h header, number uint16, b []byte) Errno {
	queue, g, errno := q.judge(from, h, number, b, verdictPolicy)
	if errno != 0 {
		return errno
	}
	e, ok := queue.waiting.take(uint64(g.id))
	if !ok {
		return errNoEnt
	}
	e.j.decided(Verdict{Word: g.word, Seq: g.seq})
	g.trackInto(e.j, !q.k.opts.NoConntrack, q.k.opts.Linux.keepsHelpers())
	if errno := g.relink(e.j.packet()); errno != 0 {
		e.j.end(Dropped)
		return errno
	}
	if payload := g.attributes[attrPayload]; payload != nil && !q.mangle(e.j, payload) {
		e.j.end(Unreplaced)
		return 0
	}
	g.paint(e.j.packet())
	q.k.proceed(e.j, g.word)
	return 0
}

// batch handles NFQNL_MSG_VERDICT_BATCH: it decides all packets up to an id. Ids
// are compared by their signed difference, so they may wrap
// (nfqnl_recv_verdict_batch).
func (q *nfq) batch(from sender, h header, number uint16, b []byte) Errno {
	queue, g, errno := q.judge(from, h, number, b, batchPolicy)
	if errno != 0 {
		return errno
	}
	batch := queue.waiting.takeWhile(func(id uint64) bool {
		return int32(uint32(id)-g.id) <= 0
	})
	if len(batch) == 0 {
		return errNoEnt
	}
	for _, e := range batch {
		e.j.decided(Verdict{Word: g.word, Seq: g.seq, Batch: true})
		g.paint(e.j.packet())
		q.k.proceed(e.j, g.word)
	}
	return 0
}

// paint sets mark and priority.
func (g *judgement) paint(p *Packet) {
	if a := g.attributes[attrMark]; a != nil {
		p.Mark = network.Uint32(a)
	}
	if a := g.attributes[attrPriority]; a != nil {
		p.Priority = network.Uint32(a)
	}
}

// trackInto changes the packet's connection. A refused change is not an error of the
// verdict, but the kernel then ignores NFQA_EXP (nfqnl_ct_parse).
func (g *judgement) trackInto(j *Journey, possible, keepsHelper bool) {
	entry, conntrack := j.packet().Conntrack, g.attributes[attrConntrack]
	if possible && entry != nil && conntrack != nil && entry.change(conntrack, keepsHelper) == 0 {
		j.track(conntrack, g.attributes[attrExpect])
	}
}

// relink applies the VLAN tag and the link header of a bridged packet
// (nfqa_parse_bridge).
func (g *judgement) relink(p *Packet) Errno {
	if p.Family != Bridge {
		return 0
	}
	if b := g.attributes[attrVLAN]; b != nil {
		tag, errno := parseAttributes(b, attrVLANTCI, vlanPolicy)
		if errno != 0 {
			return errno
		}
		if tag[attrVLANTCI] == nil || tag[attrVLANProtocol] == nil {
			return errInval
		}
		p.VLAN = &VLAN{network.Uint16(tag[attrVLANProtocol]), network.Uint16(tag[attrVLANTCI])}
	}
	if b := g.attributes[attrLinkHeader]; b != nil {
		if len(b) != len(p.LinkHeader) {
			return errInval
		}
		p.LinkHeader = bytes.Clone(b)
	}
	return 0
}

// mangle replaces the payload. It returns false if the packet must be dropped: the
// replacement would cut into its IP header (nfqnl_mangle), or the kernel refuses it
// (mayBecome).
func (q *nfq) mangle(j *Journey, payload []byte) bool {
	p := j.packet()
	if len(payload) < len(p.Payload) && len(payload) < networkHeader(p.Payload) {
		return false
	}
	if q.k.opts.Linux.guardsPayload() && (q.k.opts.UserNamespace || !p.mayBecome(payload)) {
		return false
	}
	j.replace(payload)
	return true
}
